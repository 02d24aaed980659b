// A plane from -3 to 3 both ways; beside it bars of weights and advantages, and the weights over the steps.
const REACH = 3, MIDDLE = 170, UNIT = 50, BAR = {zero: 96, height: 80, middle: 160, tall: 34}, TRACE = {left: 34, right: 320, top: 226, bottom: 316};
const ETA = {scores: 0.5, values: 0.2}, MOST = 120;

const minus = (x, digits) => { const text = x.toFixed(digits); return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−"); };
const px = x => (MIDDLE + UNIT * x).toFixed(2), py = y => (MIDDLE - UNIT * y).toFixed(2);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
const number = (kind, x, digits = 3) => `<data class="${kind}" value="${x}">${minus(x, digits)}</data>`;

// Everything the two laws say of a state {values, scores, target}: weights, mean, loss, costs, gradients.
function laws(state) {
  const top = Math.max(...state.scores), powers = state.scores.map(s => Math.exp(s - top));
  const sum = powers.reduce((total, p) => total + p, 0), weights = powers.map(p => p / sum);
  const mixed = [0, 1].map(axis => weights.reduce((total, a, j) => total + a * state.values[j][axis], 0));
  const slope = [mixed[0] - state.target[0], mixed[1] - state.target[1]];
  const costs = state.values.map(v => dot(slope, v));
  const mean = weights.reduce((total, a, j) => total + a * costs[j], 0);
  const advantages = costs.map(b => mean - b);
  return {weights, mixed, slope, costs, mean, advantages, loss: dot(slope, slope) / 2,
    scoreGradient: weights.map((a, j) => -a * advantages[j]), valueGradient: weights.map(a => [a * slope[0], a * slope[1]])};
}

// One step of descent in the scores, the values, or both at once.
function step(state, what) {
  const law = laws(state), scores = what !== "values", values = what !== "scores";
  return {target: state.target,
    scores: state.scores.map((s, j) => scores ? s - ETA.scores * law.scoreGradient[j] : s),
    values: state.values.map((v, j) => v.map((x, axis) => values ? x - ETA.values * law.valueGradient[j][axis] : x))};
}

// The cheap side of the line through the mean, cut to the plane (Sutherland and Hodgman).
function cheapSide(mixed, slope) {
  const corners = [[-REACH, -REACH], [REACH, -REACH], [REACH, REACH], [-REACH, REACH]], out = [];
  const side = p => slope[0] * (p[0] - mixed[0]) + slope[1] * (p[1] - mixed[1]);
  corners.forEach((p, i) => {
    const q = corners[(i + 1) % 4], a = side(p), b = side(q);
    if (a <= 0) out.push(p);
    if ((a < 0 && b > 0) || (a > 0 && b < 0)) out.push([p[0] + (q[0] - p[0]) * a / (a - b), p[1] + (q[1] - p[1]) * a / (a - b)]);
  });
  return out;
}

function line(kind, from, to) {
  return `<line class="${kind}" x1="${px(from[0])}" y1="${py(from[1])}" x2="${px(to[0])}" y2="${py(to[1])}"></line>`;
}

function field(state, law) {
  const {mixed, slope} = law, length = Math.sqrt(dot(slope, slope));
  const cheap = length < 1e-9 ? "" : `<polygon class="cheap" points="${cheapSide(mixed, slope).map(p => `${px(p[0])},${py(p[1])}`).join(" ")}"></polygon>`;
  const pulls = state.values.map((v, j) => line(`pull at-${j}`, v, [v[0] - law.valueGradient[j][0], v[1] - law.valueGradient[j][1]])).join("");
  return cheap + pulls + line("slope", mixed, [mixed[0] + slope[0] / 2, mixed[1] + slope[1] / 2]) +
    `<circle class="mixed" cx="${px(mixed[0])}" cy="${py(mixed[1])}" r="6"></circle><text x="${px(mixed[0] + 0.16)}" y="${py(mixed[1] + 0.16)}">g</text>`;
}

function bars(law) {
  const top = Math.max(1e-9, ...law.advantages.map(Math.abs));
  return law.weights.map((a, j) => {
    const x = 60 + 90 * j, up = law.advantages[j] >= 0, size = Math.abs(law.advantages[j]) / Math.max(1, top) * BAR.tall;
    return `<g class="at-${j}"><rect class="weight" x="${x}" y="${(BAR.zero - a * BAR.height).toFixed(2)}" width="36" height="${(a * BAR.height).toFixed(2)}"></rect>` +
      `<rect class="advantage" x="${x}" y="${(up ? BAR.middle - size : BAR.middle).toFixed(2)}" width="36" height="${size.toFixed(2)}"></rect>` +
      `<text x="${x + 18}" y="${BAR.zero + 16}" text-anchor="middle">${j + 1}</text></g>`;
  }).join("");
}

// Weights so far, one line a position. The points are the weights at the start and after each step.
function trace(points) {
  const steps = Math.max(10, points.length - 1);
  const x = t => (TRACE.left + (TRACE.right - TRACE.left) * t / steps).toFixed(2), y = a => (TRACE.bottom - (TRACE.bottom - TRACE.top) * a).toFixed(2);
  const lines = [0, 1, 2].map(j => `<polyline class="at-${j}" points="${points.map((p, t) => `${x(t)},${y(p[j])}`).join(" ")}"></polyline>`).join("");
  return `${lines}<text x="${TRACE.right}" y="${TRACE.bottom + 16}" text-anchor="end">${steps} steps</text>`;
}

function grips(state) {
  const circles = r => `<circle class="reach" r="18"></circle><circle class="knob" r="${r}"></circle>`;
  return state.values.map((v, j) =>
    `<g class="grip at-${j}" data-grip="${j}" transform="translate(${px(v[0])},${py(v[1])})">${circles(11)}<text y="4.5" text-anchor="middle">${j + 1}</text></g>`).join("") +
    `<g class="grip aim" data-grip="3" transform="translate(${px(state.target[0])},${py(state.target[1])})"><circle class="reach" r="18"></circle>` +
    `<path d="M-8,-8L8,8M-8,8L8,-8"></path><text y="24" text-anchor="middle">treasure</text></g>`;
}

function table(state, law) {
  const rows = law.weights.map((a, j) => `<tr><th scope="row">${j + 1}</th><td>${number("score", state.scores[j], 2)}</td><td>${number("weight", a)}</td>` +
    `<td>${number("cost", law.costs[j], 2)}</td><td>${number("advantage", law.advantages[j], 2)}</td><td>${number("gradient", law.scoreGradient[j])}</td></tr>`).join("");
  const heads = ["", "score", "weight", "cost", "advan­tage", "gradient"].map(name => name ? `<th scope="col">${name}</th>` : "<td></td>").join("");
  return `<thead><tr>${heads}</tr></thead><tbody>${rows}</tbody>`;
}

const THINGS = ["Value 1", "Value 2", "Value 3", "Treasure"], AXES = ["left to right", "down to up"];

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const plane = find(".plane");
  let state, start, points, chosen = 0, said, preset = 0;
  const copy = s => ({target: [...s.target], scores: [...s.scores], values: s.values.map(v => [...v])});

  function begin(from) {
    start = copy(from);
    state = copy(from);
    const law = laws(state);
    points = [law.weights];
    const best = law.advantages.indexOf(Math.max(...law.advantages));
    said = `Loss ${number("loss", law.loss, 4)}. ` + (Math.max(...law.scoreGradient.map(Math.abs)) < 5e-4
      ? "No score has a gradient worth a step: routing is frozen."
      : `Position ${best + 1} is the cheapest, ${minus(law.advantages[best], 2)} below the mean cost.`);
  }

  function take(what, times) {
    const before = laws(state);
    let promised = 0;
    for (let n = 0; n < times && points.length <= MOST; n++) {
      const law = laws(state);
      if (what !== "values") promised += ETA.scores * law.scoreGradient.reduce((sum, x) => sum + x * x, 0);
      if (what !== "scores") promised += ETA.values * law.valueGradient.reduce((sum, x) => sum + dot(x, x), 0);
      state = step(state, what);
      points.push(laws(state).weights);
    }
    const law = laws(state), moves = law.weights.map((a, j) => `${j + 1}: ${minus(before.weights[j], 2)} → ${minus(a, 2)}`).join(", ");
    said = `${{scores: "Scores", values: "Values", both: "Both"}[what]}, ${times === 1 ? "one step" : `${times} steps`}. Loss ${number("loss", law.loss, 4)}, ` +
      `down by ${number("fall", before.loss - law.loss, 4)}; the slopes promised ${number("promise", promised, 4)}. ` +
      (what === "values" ? `Advantages were ${before.advantages.map(x => minus(x, 2)).join(", ")}.` : `Weights ${moves}.`);
  }

  function draw() {
    const law = laws(state);
    find(".field").innerHTML = field(state, law);
    find(".bars").innerHTML = bars(law);
    find(".curve").innerHTML = trace(points);
    find("table").innerHTML = table(state, law);
    find(".said").innerHTML = said;
    // Grips are moved and never drawn anew, so that the one under a finger stays.
    all(".grip").forEach((grip, i) => {
      const at = i < 3 ? state.values[i] : state.target;
      grip.setAttribute("transform", `translate(${px(at[0])},${py(at[1])})`);
    });
    const at = chosen < 3 ? state.values[chosen] : state.target;
    all("[data-axis]").forEach((input, axis) => {
      input.value = at[axis];
      input.setAttribute("aria-valuetext", minus(at[axis], 2));
      input.parentElement.querySelector(".name").textContent = `${THINGS[chosen]}, ${AXES[axis]}`;
    });
    all("[data-score]").forEach((input, j) => {
      input.value = state.scores[j];
      input.setAttribute("aria-valuetext", minus(state.scores[j], 2));
    });
    all("[data-thing]").forEach(button => button.setAttribute("aria-pressed", button.dataset.thing === String(chosen)));
    all("[data-preset]").forEach(button => button.setAttribute("aria-pressed", button.dataset.preset === String(preset)));
  }

  function change(edit) {
    const next = copy(state);
    edit(next);
    preset = -1;
    begin(next);
    draw();
  }

  const clamp = x => Math.min(REACH, Math.max(-REACH, Math.round(x * 20) / 20));
  const place = (thing, at) => change(next => { if (thing < 3) next.values[thing] = at.map(clamp); else next.target = at.map(clamp); });

  root.addEventListener("input", event => {
    const {axis, score} = event.target.dataset, value = Number(event.target.value);
    if (score) change(next => { next.scores[Number(score)] = value; });
    if (axis) {
      const at = [...(chosen < 3 ? state.values[chosen] : state.target)];
      at[Number(axis)] = value;
      place(chosen, at);
    }
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const {preset: which, thing, take: what, times, action} = button.dataset;
    if (which) { preset = Number(which); begin(data.presets[preset]); }
    if (thing) chosen = Number(thing);
    if (what) take(what, Number(times));
    if (action) begin(start);
    draw();
  });

  // A touch on a grip drags; a touch beside it scrolls the page. (CSS touch-action does not reach inside an SVG.)
  plane.addEventListener("touchstart", event => event.target.closest(".grip") && event.preventDefault(), {passive: false});
  let held = null;
  plane.addEventListener("pointerdown", event => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    held = Number(grip.dataset.grip);
    chosen = held;
    plane.setPointerCapture(event.pointerId);
    event.preventDefault();
    draw();
  });
  plane.addEventListener("pointermove", event => {
    if (held === null) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(plane.getScreenCTM().inverse());
    place(held, [(at.x - MIDDLE) / UNIT, (MIDDLE - at.y) / UNIT]);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) plane.addEventListener(end, () => { held = null; });

  begin(data.presets[0]);
  find(".grips").innerHTML = grips(state);
  draw();
}
