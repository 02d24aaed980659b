// The numbers of tutorlib.tunnels.filtering beside a network's, which header.js computes.
const LETTERS = "abcde", STATES = 5, MOST = 30, WINDOWS = [1, 2, 4, 8];
const LEFT = 58, CELL = 14, TALL = 11, EXACT_TOP = 20, NETWORK_TOP = 90, KL_TOP = 160, KL_TALL = 50, LOW = 1e-5;

const fixed = (x, digits) => Math.max(x, 0).toFixed(digits);
const entropy = p => p.reduce((sum, x) => x > 0 ? sum - x * Math.log2(x) : sum, 0);
const kl = (p, q) => Math.max(0, p.reduce((sum, x, i) => sum + x * Math.log2(x / q[i]), 0));

function normalise(w) {
  const sum = w.reduce((a, b) => a + b, 0);
  return w.map(x => x / sum);
}
const predict = (b, T) => T[0].map((_, j) => b.reduce((sum, x, i) => sum + x * T[i][j], 0));
const weigh = (b, E, symbol) => normalise(b.map((x, i) => x * E[i][symbol]));
const sticky = (T, s) => T.map((row, i) => row.map((p, j) => (s / 100) * (i === j ? 1 : 0) + (1 - s / 100) * p));

// The exact belief after each symbol, from a uniform start.
function filter(T, E, symbols) {
  let prior = E.map(() => 1 / E.length);
  return symbols.map(symbol => {
    const belief = weigh(prior, E, symbol);
    prior = predict(belief, T);
    return belief;
  });
}

// What an exact observer believes at time `at` who has seen the last `steps` symbols only, and knows the time.
function windowed(T, E, symbols, at, steps) {
  const first = Math.max(0, at + 1 - steps);
  let belief = E.map(() => 1 / E.length);
  for (let t = 0; t <= at; t++) {
    if (t > 0) belief = predict(belief, T);
    if (t >= first) belief = weigh(belief, E, symbols[t]);
  }
  return belief;
}

function heat(kind, top, table) {
  return table.map((belief, t) => belief.map((p, i) =>
    `<rect class="${kind}" x="${LEFT + t * CELL}" y="${top + i * TALL}" width="${CELL - 1}" height="${TALL - 1}" fill-opacity="${fixed(p, 3)}"></rect>`).join("")).join("");
}

const klHeight = bits => KL_TALL * Math.min(1, Math.max(0, Math.log10(bits / LOW) / 5));

function strip(exact, network, selected) {
  const bits = exact.map((p, t) => kl(p, network[t])), right = LEFT + exact.length * CELL;
  const names = top => [0, 1, 2, 3, 4].map(i => `<text class="small" x="${LEFT - 5}" y="${top + i * TALL + 9}" text-anchor="end">${i + 1}</text>`).join("");
  const lines = [[1, "1"], [1e-2, "0.01"], [1e-4, "0.0001"]].map(([value, text]) => {
    const y = fixed(KL_TOP + KL_TALL - klHeight(value), 1);
    return `<path class="grid" d="M${LEFT} ${y}H${right}"></path><text class="small" x="${LEFT - 5}" y="${y}" dy="4" text-anchor="end">${text}</text>`;
  }).join("");
  const bars = bits.map((b, t) => {
    const height = fixed(klHeight(b), 1);
    return `<rect class="cost" x="${LEFT + t * CELL + 2}" y="${fixed(KL_TOP + KL_TALL - klHeight(b), 1)}" width="${CELL - 5}" height="${height}"></rect>`;
  }).join("");
  const border = exact.length > 20 ? `<path class="border" d="M${LEFT + 20 * CELL - 0.5} ${EXACT_TOP - 4}V${KL_TOP + KL_TALL}"></path>` : "";
  return `<text class="exact" x="${LEFT}" y="14">exact belief, states 1 to 5</text>${names(EXACT_TOP)}${heat("exact", EXACT_TOP, exact)}` +
    `<text class="network" x="${LEFT}" y="${NETWORK_TOP - 5}">network</text>${names(NETWORK_TOP)}${heat("network", NETWORK_TOP, network)}` +
    `<text x="${LEFT}" y="${KL_TOP - 5}">KL(exact ‖ network), bits</text>${lines}${bars}${border}` +
    `<rect class="here" x="${LEFT + selected * CELL - 1}" y="${EXACT_TOP - 2}" width="${CELL + 1}" height="${KL_TOP + KL_TALL - EXACT_TOP + 4}"></rect>`;
}

function detail(exact, network, selected) {
  const p = exact[selected], q = network[selected];
  return `<thead><tr><th scope="col">state</th><th scope="col">exact</th><th scope="col">network</th></tr></thead><tbody>` +
    p.map((x, i) => `<tr><th scope="row">${i + 1}</th><td class="exact">${fixed(x, 4)}</td><td class="network">${fixed(q[i], 4)}</td></tr>`).join("") + "</tbody>";
}

function sentence(T, E, symbols, exact, network, at) {
  const p = exact[at], q = network[at];
  const beyond = at >= 20 ? " The network was trained on 20 symbols; this is beyond." : "";
  const shorter = WINDOWS.filter(w => w <= at).map(w => `last ${w}: <b>${fixed(kl(p, windowed(T, E, symbols, at, w)), 4)}</b>`).join(", ");
  const mean = exact.reduce((sum, x, t) => sum + kl(x, network[t]), 0) / exact.length;
  return `<p>After symbol ${at + 1} (${LETTERS[symbols[at]]}): entropy <b>${fixed(entropy(p), 3)}</b> bits exact, <b>${fixed(entropy(q), 3)}</b> network; ` +
    `KL(exact ‖ network) <b>${fixed(kl(p, q), 4)}</b> bits.${beyond}</p>` +
    `<p>${shorter ? `KL of an exact observer who sees only the ${shorter} bits.` : "Nothing lies before it that could be forgotten."}</p>` +
    `<p>Mean KL of the network over all ${symbols.length}: <b>${fixed(mean, 4)}</b> bits.</p>`;
}

const matrix = (title, heads, rows) => `<table class="matrix"><caption>${title}</caption><thead><tr><td></td>${heads.map(h => `<th scope="col">${h}</th>`).join("")}</tr></thead><tbody>` +
  rows.map((row, i) => `<tr><th scope="row">${i + 1}</th>${row.map(x => `<td>${fixed(x, 3)}</td>`).join("")}</tr>`).join("") + "</tbody></table>";

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const network = readFilter(data.network), state = {...data.first};
  let symbols = [...data.scenes[state.scene].symbols];

  function draw() {
    const {T: plain, E} = data.scenes[state.scene], T = sticky(plain, state.stick);
    const exact = filter(T, E, symbols), answer = beliefs(network, T.map((row, i) => [...row, ...E[i]]), symbols);
    find(".strip").setAttribute("viewBox", `0 0 ${LEFT + symbols.length * CELL + 6} 216`);
    find(".strip").innerHTML = strip(exact, answer, state.at);
    find(".detail").innerHTML = detail(exact, answer, state.at);
    find(".result").innerHTML = sentence(T, E, symbols, exact, answer, state.at);
    find(".matrices").innerHTML = matrix("T: from state to state", ["1", "2", "3", "4", "5"], T) + matrix("E: from state to symbol", [...LETTERS], E);
    const cells = all("[data-cell]");
    if (cells.length !== symbols.length) {
      const had = cells.includes(document.activeElement);
      find(".cells").innerHTML = symbols.map((_, t) => `<button type="button" data-cell="${t}"></button>`).join("");
      if (had) find(`[data-cell="${state.at}"]`).focus();
    }
    all("[data-cell]").forEach((cell, t) => {
      cell.textContent = LETTERS[symbols[t]];
      cell.setAttribute("aria-label", `symbol ${t + 1}: ${LETTERS[symbols[t]]}`);
      cell.setAttribute("aria-pressed", t === state.at);
    });
    all("[data-symbol]").forEach((button, i) => button.setAttribute("aria-pressed", i === symbols[state.at]));
    all("[data-scene]").forEach((button, i) => button.setAttribute("aria-pressed", i === state.scene));
    find('[data-do="longer"]').disabled = symbols.length >= MOST;
    find('[data-do="shorter"]').disabled = symbols.length <= 1;
    find(".value").textContent = `${state.stick}\u00a0%`;
    find("input").setAttribute("aria-valuetext", `${state.stick}\u00a0%`);
  }

  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button || button.disabled) return;
    const {cell, symbol, scene} = button.dataset;
    if (cell) state.at = Number(cell);
    if (symbol) symbols[state.at] = Number(symbol);
    if (scene) {
      state.scene = Number(scene);
      symbols = [...data.scenes[state.scene].symbols];
      state.at = symbols.length - 1;
    }
    if (button.dataset.do === "longer") { // the new symbols repeat the old ones, so that nothing is left to chance
      symbols.push(symbols[symbols.length % data.scenes[state.scene].symbols.length]);
      state.at = symbols.length - 1;
    }
    if (button.dataset.do === "shorter") {
      symbols.pop();
      state.at = Math.min(state.at, symbols.length - 1);
    }
    draw();
    if (button.disabled) find(`[data-cell="${state.at}"]`).focus(); // a dead button must not keep the focus
  });
  root.addEventListener("input", event => {
    state.stick = Number(event.target.value);
    draw();
  });
  find(".cells").addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = {ArrowLeft: -1, ArrowRight: 1}[event.key], turn = {ArrowUp: 1, ArrowDown: STATES - 1}[event.key];
    const typed = event.key.length === 1 ? LETTERS.indexOf(event.key.toLowerCase()) : -1;
    if (move === undefined && turn === undefined && typed < 0) return;
    event.preventDefault();
    const at = Number(event.target.dataset.cell);
    state.at = Math.min(symbols.length - 1, Math.max(0, at + (move ?? 0)));
    if (turn !== undefined) symbols[at] = (symbols[at] + turn) % STATES;
    if (typed >= 0) symbols[at] = typed;
    draw();
    find(`[data-cell="${state.at}"]`).focus();
  });
  find(".strip").addEventListener("click", event => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(find(".strip").getScreenCTM().inverse());
    state.at = Math.min(symbols.length - 1, Math.max(0, Math.floor((point.x - LEFT) / CELL)));
    draw();
  });
  draw();
}
