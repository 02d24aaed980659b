// Three memories. Vectors and steps are those of recall.py, which draws the first state alike.
const WIDEST = 8, LEFT = 6, CELL = 13.6, ROW = 34, COUNT = 24;
const PLOT = {left: 40, right: 332, top: 12, bottom: 150};
const RANGE = {pairs: [1, COUNT], width: [2, WIDEST], sharp: [0, 40], asked: [1, COUNT]};

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const unit = a => { const length = Math.sqrt(dot(a, a)); return a.map(x => x / length); };
const times = (matrix, vector) => matrix.map(row => dot(row, vector));

// Keys and values of length 1, [24][width]; with "right" the first keys are the axes.
function vectors(draw, width, kind) {
  const cut = rows => rows.map(row => unit(row.slice(0, width)));
  const keys = cut(draw.keys);
  if (kind === "right") for (let i = 0; i < width; i++) keys[i] = keys[i].map((_, j) => i === j ? 1 : 0);
  return {keys, values: cut(draw.values)};
}

function softmax(scores) {
  const top = Math.max(...scores), powers = scores.map(s => Math.exp(s - top)), total = powers.reduce((a, b) => a + b, 0);
  return powers.map(power => power / total);
}

// Write one pair into the matrix: all of the value, or what the key does not bring back yet.
function write(S, key, value, delta) {
  const recalled = delta ? times(S, key) : key.map(() => 0);
  return S.map((row, a) => row.map((x, b) => x + (value[a] - recalled[a]) * key[b]));
}

const nearest = (found, values) => {
  const fits = values.map(value => dot(value, found));
  return fits.indexOf(Math.max(...fits));
};

// The letters that the first n keys bring back, for every n from 1 on.
function history(memory, {keys, values}, sharp) {
  const width = keys[0].length, all = [];
  let S = Array.from({length: width}, () => Array(width).fill(0));
  for (let n = 1; n <= COUNT; n++) {
    let read;
    if (memory === "softmax") {
      const k = keys.slice(0, n);
      read = query => {
        const weights = softmax(k.map(key => sharp * dot(key, query)));
        return Array.from({length: width}, (_, a) => weights.reduce((sum, weight, j) => sum + weight * values[j][a], 0));
      };
    } else {
      S = write(S, keys[n - 1], values[n - 1], memory === "delta");
      const now = S;
      read = query => times(now, query);
    }
    all.push(keys.slice(0, n).map(query => nearest(read(query), values)));
  }
  return all;
}

const right = found => found.filter((letter, pair) => letter === pair).length;
const kept = (memory, width, pairs) => memory === "softmax" ? 2 * pairs * width : width * width;

function shelf(data, found, asked) {
  const rows = data.memories.map(([memory, name], row) => {
    const y = 16 + ROW * row;
    const cells = Array.from({length: COUNT}, (_, pair) => {
      const x = LEFT + CELL * pair, letter = found[memory][pair];
      const kind = letter === undefined ? "empty" : letter === pair ? "right" : "wrong";
      const cross = kind === "wrong" ? `<path d="M${(x + 2.6).toFixed(1)},${y + 3} l6,6 m0,-6 l-6,6"></path>` : "";
      return `<rect class="${kind}" x="${x.toFixed(1)}" y="${y}" width="11.2" height="12"></rect>${cross}`;
    });
    return `<text x="${LEFT}" y="${y - 4}">${name}</text>${cells.join("")}`;
  });
  return rows.join("") + `<rect class="asked" x="${(LEFT + CELL * (asked - 1) - 1.2).toFixed(1)}" y="14" width="13.6" height="${2 * ROW + 16}"></rect>`;
}

const at = (pairs, share) => [
  (PLOT.left + (PLOT.right - PLOT.left) * (pairs - 1) / 23).toFixed(2), (PLOT.bottom - (PLOT.bottom - PLOT.top) * share + 1e-9).toFixed(2)];

function curves(shares, pairs) {
  const lines = Object.entries(shares).map(([memory, part]) =>
    `<polyline class="${memory}" points="${part.map((share, i) => at(i + 1, share).join(",")).join(" ")}"></polyline>`);
  const [x, top] = at(pairs, 1), bottom = at(pairs, 0)[1];
  return `${lines.join("")}<line class="now" x1="${x}" y1="${top}" x2="${x}" y2="${bottom}"></line>`;
}

function rows(data, found, shares, {width, pairs, asked}) {
  return data.memories.map(([memory, name]) => {
    const letter = found[memory][asked - 1], share = 100 * shares[memory][pairs - 1], numbers = kept(memory, width, pairs);
    return `<tr data-memory="${memory}"><th scope="row">${name}</th><td><data class="kept" value="${numbers}">${numbers}</data></td>` +
      `<td><data class="hits" value="${right(found[memory])}">${right(found[memory])}</data> of ${pairs}</td>` +
      `<td><data class="share" value="${share.toFixed(6)}">${share.toFixed(0)}</data> %</td>` +
      `<td><b class="letter">${data.letters[letter]}</b>, ${letter === asked - 1 ? "right" : "wrong"}</td></tr>`;
  }).join("");
}

function sentence(data, found, {width, pairs, asked}) {
  const said = data.memories.map(([memory, name]) => `${name} ${right(found[memory])}`).join(", ");
  return `${pairs} ${pairs === 1 ? "pair" : "pairs"} stored, vectors of ${width} numbers. Right when all are asked: ${said}. ` +
    `Pair ${asked} has the letter ${data.letters[asked - 1]}.`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const state = {...data.start, kind: "random", draw: 0}, memories = data.memories.map(([memory]) => memory);
  let known = "", found, shares;  // of every memory, for every number of pairs

  // Everything for one choice of vectors is computed once; more pairs only look further along.
  function compute() {
    const choice = [state.width, state.kind, state.sharp].join();
    if (choice !== known) {
      known = choice;
      const sets = data.draws.map(draw => vectors(draw, state.width, state.kind));
      found = Object.fromEntries(memories.map(memory => [memory, sets.map(set => history(memory, set, state.sharp))]));
      shares = Object.fromEntries(memories.map(memory => [memory, Array.from({length: COUNT}, (_, i) =>
        found[memory].reduce((sum, draw) => sum + right(draw[i]), 0) / ((i + 1) * data.draws.length))]));
    }
    return Object.fromEntries(memories.map(memory => [memory, found[memory][state.draw][state.pairs - 1]]));
  }

  function draw() {
    state.asked = Math.min(state.asked, state.pairs);
    const now = compute();
    find(".shelf").innerHTML = shelf(data, now, state.asked);
    find(".curves").innerHTML = curves(shares, state.pairs);
    find("tbody").innerHTML = rows(data, now, shares, state);
    find(".said").textContent = sentence(data, now, state);
    find('[data-key="asked"]').max = state.pairs;
    for (const key of Object.keys(RANGE)) {
      const input = find(`[data-key="${key}"]`);
      input.value = state[key];
      input.nextSibling.textContent = state[key];
    }
    all("[data-kind]").forEach(button => button.setAttribute("aria-pressed", button.dataset.kind === state.kind));
  }

  root.addEventListener("input", event => {
    const {key} = event.target.dataset;
    if (!key) return;
    const [low, high] = RANGE[key];
    state[key] = Math.min(high, Math.max(low, Math.round(Number(event.target.value))));
    draw();
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.kind) state.kind = button.dataset.kind;
    if (button.dataset.do === "draw") state.draw = (state.draw + 1) % data.draws.length;
    draw();
  });
  draw();
}
