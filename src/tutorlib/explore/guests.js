// A room of guests. Keys, query and scores are those of guests.py, which draws the first state alike.
const LEFT = 44, TOP = 12, WIDE = 280, HIGH = 210;
const RANGE = {red: [0, 100], height: [150, 200], heat: [-20, 40]};

const minus = words => words.replace("-", "−");
const sum = numbers => numbers.reduce((total, number) => total + number, 0);
const x = red => (LEFT + WIDE * red / 100).toFixed(1);
const y = height => (TOP + HIGH * (200 - height) / 50).toFixed(1);
const temperature = heat => 10 ** (heat / 20);

function softmax(values) {
  const top = Math.max(...values), powers = values.map(value => Math.exp(value - top));
  return powers.map(power => power / sum(powers));
}

const vector = (data, {red, height}) => [(red - data.middle.red) / data.unit.red, (height - data.middle.height) / data.unit.height];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1];

function prior(data, regular) {
  const often = data.guests.map((_, i) => regular && i === data.regular ? data.often : 1);
  return often.map(times => times / sum(often));
}

/** Log prior plus log likelihood of each guest, in nats, up to a constant that all share. */
function logJoint(data, state) {
  const query = vector(data, state), before = prior(data, state.regular);
  return data.guests.map((guest, i) => {
    const key = vector(data, guest), apart = [query[0] - key[0], query[1] - key[1]];
    return Math.log(before[i]) - dot(apart, apart) / (2 * temperature(state.heat));
  });
}

/** Scores of the chosen kind and their weights; a fixed seat has no scores. */
function attend(data, state) {
  if (state.mode === "seat") {
    const chosen = data.seatings[state.seating][2];
    return {scores: null, weights: data.guests.map((_, i) => i === chosen ? 1 : 0)};
  }
  const query = vector(data, state);
  const scores = state.mode === "dot"
    ? data.guests.map(guest => dot(query, vector(data, guest)) / temperature(state.heat))
    : logJoint(data, state);
  return {scores, weights: softmax(scores)};
}

/** What someone believed before looking for whom dot products are log joint probabilities. */
function impliedPrior(data, state) {
  return softmax(data.guests.map(guest => { const key = vector(data, guest); return dot(key, key) / (2 * temperature(state.heat)); }));
}

const largest = weights => weights.indexOf(Math.max(...weights));

function sentence(data, state, weights) {
  const posterior = softmax(logJoint(data, state)), best = largest(weights);
  const gap = sum(weights.map((weight, i) => Math.abs(weight - posterior[i]))) / 2;
  const first = `<p>Largest weight: <b class="best">${data.guests[best].name}</b>, <b>${(100 * weights[best]).toFixed(1)}</b> %.</p>`;
  const far = `Total variation distance to the posterior: <b class="gap">${gap.toFixed(3)}</b>.`;
  if (state.mode === "posterior")
    return `${first}<p>The scores are log joint probabilities, up to a constant that all guests share. So the weights are the posterior.</p>`;
  if (state.mode === "seat")
    return `${first}<p>Whoever sits on seat 3 gets all the weight, whatever you saw. ${far}</p>`;
  const before = impliedPrior(data, state), longest = largest(before);
  return `${first}<p>Dot products favour long keys. These weights are the posterior of someone who believed in ${data.guests[longest].name} with <b class="implied">${(100 * before[longest]).toFixed(1)}</b> % before looking. ${far}</p>`;
}

const track = share => `<span class="track" aria-hidden="true"><span style="width: ${share.toFixed(1)}%"></span></span>`;

function rows(data, state, scores, weights) {
  return data.seatings[state.seating].map((i, seat) =>
    `<tr><th scope="row">${seat + 1}</th><td class="who"><span class="shirt" style="background: ${data.guests[i].shirt}"></span>${data.guests[i].name}</td>` +
    `<td>${scores ? minus(scores[i].toFixed(2)) : "none"}</td><td class="weight">${track(100 * weights[i])}<b>${(100 * weights[i]).toFixed(1)}</b> %</td></tr>`).join("");
}

const mixed = (data, weights) => data.drinks.map((_, drink) => sum(weights.map((weight, i) => weight * data.guests[i].orders[drink])));

const orders = (data, weights) => mixed(data, weights).map((share, drink) =>
  `<li><span>${data.drinks[drink]}</span>${track(share)}<span><b>${share.toFixed(1)}</b> %</span></li>`).join("");

const edges = (data, state, weights) => data.guests.map((guest, i) =>
  `<line class="edge" x1="${x(state.red)}" y1="${y(state.height)}" x2="${x(guest.red)}" y2="${y(guest.height)}" stroke-width="${(0.5 + 14 * weights[i]).toFixed(2)}"></line>`).join("");

const words = {red: value => String(value), height: value => `${value} cm`, heat: value => temperature(value).toFixed(2)};

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const svg = find("svg");
  const state = {...data.start, mode: "posterior", regular: false, seating: 0};

  function draw() {
    const {scores, weights} = attend(data, state);
    find(".edges").innerHTML = edges(data, state, weights);
    for (const circle of all(".query circle")) {
      circle.setAttribute("cx", x(state.red));
      circle.setAttribute("cy", y(state.height));
    }
    for (const key of Object.keys(RANGE)) {
      const input = find(`[data-key="${key}"]`);
      input.value = state[key];
      input.setAttribute("aria-valuetext", words[key](state[key]));
      input.nextSibling.textContent = words[key](state[key]);
    }
    find("tbody").innerHTML = rows(data, state, scores, weights);
    find(".orders").innerHTML = orders(data, weights);
    find(".result").innerHTML = sentence(data, state, weights);
    all("[data-mode]").forEach(button => button.setAttribute("aria-pressed", button.dataset.mode === state.mode));
  }

  function set(key, value) {
    const [low, high] = RANGE[key];
    state[key] = Math.min(high, Math.max(low, Math.round(value)));
  }

  root.addEventListener("input", event => {
    const {key, part} = event.target.dataset;
    if (key) set(key, Number(event.target.value));
    if (part === "regular") state.regular = event.target.checked;
    draw();
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.mode) state.mode = button.dataset.mode;
    if (button.dataset.part === "move") state.seating = (state.seating + 1) % data.seatings.length;
    draw();
  });

  // A touch on the query drags it; a touch beside it scrolls the page. (CSS touch-action does not reach inside an SVG.)
  svg.addEventListener("touchstart", event => event.target.closest(".query") && event.preventDefault(), {passive: false});
  let held = false;
  svg.addEventListener("pointerdown", event => {
    if (!event.target.closest(".query") || event.button !== 0) return;
    held = true;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    set("red", 100 * (at.x - LEFT) / WIDE);
    set("height", 200 - 50 * (at.y - TOP) / HIGH);
    draw();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(end, () => { held = false; });

  // A browser that comes back to the page may have kept the tick.
  find('[data-part="regular"]').checked = state.regular;
  draw();
}
