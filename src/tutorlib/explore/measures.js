// Fool the measure. Games, presets and measures are those of measures.py, which draws the first state alike.
const LEFT = 30, BASE = 150, STEP = 48, TALL = 130, BAR = 16;

const sum = numbers => numbers.reduce((total, number) => total + number, 0);
const mean = numbers => sum(numbers) / numbers.length;
const number = x => x === Infinity ? "∞" : x.toFixed(3);

/** What is believed: the weights' shares, and equal ones if all are 0. */
function shares(weights) {
  const total = sum(weights);
  return weights.map(weight => total ? weight / total : 1 / weights.length);
}

const entropy = p => sum(p.map(x => x > 0 ? -x * Math.log2(x) : 0));

/** Entropy error and KL in bits, total variation, impossible mass, of an answer q where p is exact. */
function measures(p, q) {
  const kl = sum(p.map((a, i) => a === 0 ? 0 : q[i] > 0 ? a * Math.log2(a / q[i]) : Infinity));
  const apart = sum(p.map((a, i) => Math.abs(a - q[i]))) / 2;
  const impossible = sum(q.map((b, i) => p[i] === 0 ? b : 0));
  return [Math.abs(entropy(q) - entropy(p)), Math.abs(kl), apart, impossible];
}

const averagedFirst = (data, answers) =>
  Math.abs(mean(answers.map((weights, game) => entropy(shares(weights)) - entropy(data.exact[game]))));

function solved(data, answers) {
  const [one, two] = answers.map((weights, game) => measures(data.exact[game], shares(weights)));
  const both = one.map((x, i) => (x + two[i]) / 2), near = Math.max(one[0], two[0]) < 0.05;
  return [
    one[0] < 0.05 && one[3] > 0.9,
    both[2] < 0.1 && both[1] === Infinity,
    averagedFirst(data, answers) < 0.05 && both[0] > 0.5,
    both[3] === 0 && near && both[1] > 0.1,
  ];
}

const bar = (kind, x, share) =>
  `<rect class="${kind}" x="${x.toFixed(1)}" y="${(BASE - TALL * share).toFixed(1)}" width="${BAR}" height="${(TALL * share).toFixed(1)}"></rect>`;

const bars = (data, p, q) => p.map((a, i) => {
  const middle = LEFT + STEP * (i + 0.5);
  return bar("exact", middle - BAR - 1, a) + bar("answer", middle + 1, q[i]) +
    `<text x="${middle.toFixed(1)}" y="${BASE + 17}" text-anchor="middle">${data.songs[i]}</text>`;
}).join("");

function rows(data, answers) {
  const columns = answers.map((weights, game) => measures(data.exact[game], shares(weights)));
  const lines = data.measures.map((name, i) => {
    const values = columns.map(column => column[i]);
    return `<tr><th scope="row">${name}</th>${[...values, mean(values)].map(x => `<td>${number(x)}</td>`).join("")}</tr>`;
  });
  const first = `<td></td><td></td><td>${number(averagedFirst(data, answers))}</td>`;
  lines.splice(1, 0, `<tr><th scope="row">averaged first</th>${first}</tr>`);
  return lines.join("");
}

const tasks = (data, answers) => solved(data, answers).map((done, i) =>
  `<li><span class="sign" aria-hidden="true">${done ? "✓" : "○"}</span><span>${data.tasks[i]} <b>${done ? "Done." : "Open."}</b></span></li>`).join("");

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const copy = name => data.presets[name].map(weights => [...weights]);
  let answers = copy(data.start), game = 0, said = null;

  function draw() {
    all(".bars").forEach((group, i) => { group.innerHTML = bars(data, data.exact[i], shares(answers[i])); });
    const believed = shares(answers[game]);
    for (const input of all("[data-song]")) {
      const song = Number(input.dataset.song), words = `${(100 * believed[song]).toFixed(1)} %`;
      input.value = answers[game][song];
      input.setAttribute("aria-valuetext", words);
      input.nextSibling.textContent = words;
    }
    all("[data-game]").forEach(button => button.setAttribute("aria-pressed", Number(button.dataset.game) === game));
    find("tbody").innerHTML = rows(data, answers);
    const words = tasks(data, answers);
    if (words !== said) find(".tasks").innerHTML = said = words; // read aloud only when it changes
  }

  root.addEventListener("input", event => {
    const {song} = event.target.dataset;
    if (song === undefined) return;
    answers[game][Number(song)] = Number(event.target.value);
    draw();
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.preset) answers = copy(button.dataset.preset);
    if (button.dataset.game) game = Number(button.dataset.game);
    draw();
  });
  draw();
}
