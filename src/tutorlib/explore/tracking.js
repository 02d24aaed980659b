// The same numbers as tutorlib.tunnels.filtering: weigh the start by the first sound, then predict, weigh, normalise.
const LEFT = 20, RIGHT = 320, MIDDLE = 170, TOP = 30, BOTTOM = 290, PARTS = 300, MOST = 40;

const fixed = (x, digits) => x.toFixed(digits);
const percent = x => fixed(100 * x, 1) + "\u00a0%";

// Barycentric coordinates: the belief is the centre of gravity of the corners.
const place = b => [MIDDLE * b[0] + LEFT * b[1] + RIGHT * b[2], TOP * b[0] + BOTTOM * b[1] + BOTTOM * b[2]];
const at = b => place(b).map(x => fixed(x, 2)).join(" ");

function normalise(w) {
  const sum = w[0] + w[1] + w[2];
  return w.map(x => x / sum);
}
const predict = (b, T) => [0, 1, 2].map(j => b[0] * T[0][j] + b[1] * T[1][j] + b[2] * T[2][j]);
const weigh = (b, E, sound) => b.map((x, i) => x * E[i][sound]);
const sticky = (T, s) => T.map((row, i) => row.map((p, j) => (s / 100) * (i === j ? 1 : 0) + (1 - s / 100) * p));
const start = state => [state.a / PARTS, (1 - state.a / PARTS) * state.b / 100, (1 - state.a / PARTS) * (100 - state.b) / 100];

// Every step of an observer: what was predicted, the products, the belief.
function track(begin, T, E, sounds) {
  let before = begin;
  return sounds.map((sound, t) => {
    const predicted = t ? predict(before, T) : begin, weights = weigh(predicted, E, sound);
    before = normalise(weights);
    return {predicted, weights, belief: before};
  });
}

// How far apart two observers are: the widest gap between their log-odds, in bits.
function distance(p, q) {
  const r = p.map((x, i) => x / q[i]);
  return Math.log2(Math.max(...r) / Math.min(...r));
}
const entropy = p => p.reduce((sum, x) => x > 0 ? sum - x * Math.log2(x) : sum, 0);

// All beliefs that `depth` sounds can lead to from a uniform start.
function reachable(T, E, depth) {
  let beliefs = E[0].map((_, sound) => normalise(weigh([1 / 3, 1 / 3, 1 / 3], E, sound)));
  for (let t = 1; t < depth; t++)
    beliefs = beliefs.flatMap(b => { const p = predict(b, T); return E[0].map((_, sound) => normalise(weigh(p, E, sound))); });
  return beliefs;
}

function frame(scene) {
  const corners = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], places = [[MIDDLE, TOP - 10, "middle"], [LEFT, BOTTOM + 18, "start"], [RIGHT, BOTTOM + 18, "end"]];
  let grid = "";
  for (const share of [0.25, 0.5, 0.75]) for (let i = 0; i < 3; i++) {
    const ends = [1, 2].map(k => { const b = [0, 0, 0]; b[i] = share; b[(i + k) % 3] = 1 - share; return at(b); });
    grid += `M${ends[0]}L${ends[1]}`;
  }
  return `<path class="grid" d="${grid}"></path><path class="frame" d="M${corners.map(at).join("L")}Z"></path>` +
    places.map(([x, y, anchor], i) => `<text class="head" x="${x}" y="${y}" text-anchor="${anchor}">${scene.states[i]}</text>`).join("");
}

function trails(mine, theirs, begin) {
  const parts = [], last = mine.length - 1, other = [[1 / 3, 1 / 3, 1 / 3], ...theirs.map(step => step.belief)];
  parts.push(`<path class="trail other" d="M${other.map(at).join("L")}"></path>`);
  other.forEach((b, t) => {
    const [x, y] = place(b), half = t === other.length - 1 ? 5 : 2.5;
    parts.push(`<rect class="dot other" x="${fixed(x - half, 2)}" y="${fixed(y - half, 2)}" width="${fixed(2 * half, 2)}" height="${fixed(2 * half, 2)}"></rect>`);
  });
  const past = [begin, ...mine.slice(0, -1).map(step => step.belief)];
  parts.push(`<path class="trail you" d="M${past.map(at).join("L")}"></path>`);
  for (const step of mine.slice(0, -1)) { const [x, y] = place(step.belief); parts.push(circle("dot you", x, y, 3)); }
  if (last >= 0) {
    const {predicted, belief} = mine[last], [px, py] = place(predicted), [x, y] = place(belief);
    parts.push(`<path class="step predict" d="M${at(past[past.length - 1])}L${at(predicted)}"></path>`);
    parts.push(`<path class="step" d="M${at(predicted)}L${at(belief)}"></path>`);
    parts.push(circle("ring", px, py, 5), circle("dot you", x, y, 6.5));
  }
  return parts.join("");
}
const circle = (kind, x, y, r) => `<circle class="${kind}" cx="${fixed(x, 2)}" cy="${fixed(y, 2)}" r="${r}"></circle>`;

function table(scene, mine, theirs, begin, sounds) {
  const last = mine.length - 1, third = 1 / 3;
  const step = last < 0 ? null : mine[last], other = last < 0 ? [third, third, third] : theirs[last].belief;
  const word = last < 0 ? "likelihood" : `× chance of ${scene.sounds[sounds[last]]}`;
  const cell = (x, kind = "") => `<td${kind && ` class="${kind}"`}>${x === null ? "" : fixed(x, 4)}</td>`;
  const rows = scene.states.map((name, i) => `<tr><th scope="row">${name}</th>` + cell(step ? step.predicted[i] : begin[i]) +
    cell(step ? scene.E[i][sounds[last]] : null) + cell(step ? step.weights[i] : null) + cell(step ? step.belief[i] : begin[i], "you") + cell(other[i], "other") + "</tr>");
  const sum = step ? step.weights[0] + step.weights[1] + step.weights[2] : null;
  return `<thead><tr><td></td>${["predicted", word, "= weight", "your belief", "other’s belief"].map(h => `<th scope="col">${h}</th>`).join("")}</tr></thead>` +
    `<tbody>${rows.join("")}<tr><th scope="row">sum</th>${cell(1)}<td></td>${cell(sum)}${cell(1, "you")}${cell(1, "other")}</tr></tbody>`;
}

function sentence(scene, mine, theirs, begin, sounds) {
  const third = [1 / 3, 1 / 3, 1 / 3], last = mine.length - 1;
  const belief = last < 0 ? begin : mine[last].belief, other = last < 0 ? third : theirs[last].belief;
  const words = sounds.slice(-8).map(sound => scene.sounds[sound]).join(", ");
  const begun = last < 0 ? "Nothing heard yet." : `Heard${sounds.length > 8 ? ` (${sounds.length} in all) …` : ":"} ${words}.`;
  return `<p class="heard">${begun}</p><p>You believe: ` + scene.states.map((name, i) => `${name} <b>${percent(belief[i])}</b>`).join(", ") +
    `. Entropy <b>${fixed(entropy(belief), 3)}</b> bits.</p><p>Distance to the other observer: <b>${fixed(distance(begin, third), 3)}</b> bits at the start, <b>${fixed(distance(belief, other), 3)}</b> bits now.</p>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const svg = find("svg"), state = {};
  let number = 0, scene = data.scenes[0], sounds = [], cloud = false;

  function load(which) {
    number = which;
    scene = data.scenes[which];
    [state.a, state.b, state.s] = scene.start;
    sounds = [...scene.heard];
    find(".sounds").innerHTML = scene.sounds.map((name, i) => `<button type="button" data-sound="${i}">${name}</button>`).join("");
    all("label .name").forEach((name, i) => { name.textContent = scene.sliders[i]; });
  }

  function draw() {
    const T = sticky(scene.T, state.s), begin = start(state), third = [1 / 3, 1 / 3, 1 / 3];
    const mine = track(begin, T, scene.E, sounds), theirs = track(third, T, scene.E, sounds);
    find(".frames").innerHTML = frame(scene);
    find(".clouds").innerHTML = cloud ? `<path class="cloud" d="${reachable(T, scene.E, scene.depth).map(b => `M${at(b)}h0`).join("")}"></path>` : "";
    find(".trails").innerHTML = trails(mine, theirs, begin);
    const [x, y] = place(begin);
    for (const part of all(".grip circle")) { part.setAttribute("cx", fixed(x, 2)); part.setAttribute("cy", fixed(y, 2)); }
    find("table").innerHTML = table(scene, mine, theirs, begin, sounds);
    find(".result").innerHTML = sentence(scene, mine, theirs, begin, sounds);
    const texts = {a: percent(state.a / PARTS), b: state.b + "\u00a0%", s: state.s + "\u00a0%"};
    for (const key of "abs") {
      const input = find(`[data-key="${key}"]`);
      input.value = state[key];
      input.setAttribute("aria-valuetext", texts[key]);
      input.nextSibling.textContent = texts[key];
    }
    all("[data-scene]").forEach(button => button.setAttribute("aria-pressed", button.dataset.scene === String(number)));
    find('[data-do="cloud"]').setAttribute("aria-pressed", cloud);
    find('[data-do="back"]').disabled = find('[data-do="again"]').disabled = sounds.length === 0;
    all("[data-sound]").forEach(button => { button.disabled = sounds.length >= MOST; });
  }

  root.addEventListener("input", event => {
    if (!event.target.dataset.key) return;
    state[event.target.dataset.key] = Number(event.target.value);
    draw();
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button || button.disabled) return;
    if (button.dataset.scene) load(Number(button.dataset.scene));
    if (button.dataset.sound) sounds.push(Number(button.dataset.sound));
    if (button.dataset.do === "back") sounds.pop();
    if (button.dataset.do === "again") sounds = [];
    if (button.dataset.do === "cloud") cloud = !cloud;
    draw();
    if (button.disabled) find("[data-sound]").focus(); // a button that goes dead must not take the focus with it
  });

  // A touch on the start drags it; a touch beside it scrolls the page. (CSS touch-action does not reach inside an SVG.)
  svg.addEventListener("touchstart", event => event.target.closest(".grip") && event.preventDefault(), {passive: false});
  let held = false;
  svg.addEventListener("pointerdown", event => {
    if (!event.target.closest(".grip") || event.button !== 0) return;
    held = true;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const top = (BOTTOM - point.y) / (BOTTOM - TOP), right = (point.x - LEFT - top * (MIDDLE - LEFT)) / (RIGHT - LEFT);
    const clip = (x, low, high) => Math.min(high, Math.max(low, Math.round(x)));
    state.a = clip(PARTS * top, 3, PARTS - 6);
    const rest = 1 - state.a / PARTS;
    state.b = clip(100 * (rest - right) / rest, 1, 99);
    draw();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(end, () => { held = false; });

  load(0);
  draw();
}
