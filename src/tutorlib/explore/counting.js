// Probabilities are whole thousandths, so that every count of 1,000 cases has at most three decimals.
const SIDE = 300, LEFT = 20, TOP = 26, CASES = 1000;
const KINDS = ["hit", "miss", "alarm", "rest"];

const percent = t => (t % 10 === 0 ? String(t / 10) : (t / 10).toFixed(1)) + " %";
const count = x => Number(x.toFixed(3)).toLocaleString("en-GB", {maximumFractionDigits: 3});
const signed = x => x === Infinity ? "∞" : x === -Infinity ? "−∞" : x.toFixed(3).replace("-", "−");
const ratioText = x => x === Infinity ? "∞" : x >= 1e4 ? Math.round(x).toLocaleString("en-GB") : String(Number(x.toPrecision(4)));
const share = x => {
  const p = 100 * x;
  return (p === 0 || p === 100 ? String(p) : p < 1 || p > 99 ? p.toFixed(3) : p.toFixed(1)) + " %";
};

// Expected counts among 1,000 cases: hypothesis and evidence, hypothesis without it, then the same for the other.
function counts({p, a, b}) {
  return [p * a / CASES, p * (CASES - a) / CASES, (CASES - p) * b / CASES, (CASES - p) * (CASES - b) / CASES];
}

const text = (kind, x, y, anchor, words) =>
  `<text class="${kind}" x="${x.toFixed(2)}" y="${y.toFixed(2)}" text-anchor="${anchor}">${words}</text>`;

function areas(preset, state) {
  const n = counts(state), parts = [], labels = [];
  let left = LEFT;
  [SIDE * state.p / CASES, SIDE * (CASES - state.p) / CASES].forEach((width, row) => {
    const height = SIDE * (row ? state.b : state.a) / CASES;
    [[TOP + SIDE - height, height], [TOP, SIDE - height]].forEach(([y, tall], column) => {
      const kind = KINDS[2 * row + column], words = count(n[2 * row + column]);
      parts.push(`<rect class="${kind}" x="${left.toFixed(2)}" y="${y.toFixed(2)}" width="${width.toFixed(2)}" height="${tall.toFixed(2)}"></rect>`);
      if (tall >= 24 && width >= 9 * words.length + 8) labels.push(text("on-" + kind, left + width / 2, y + tall / 2 + 4.5, "middle", words));
    });
    left += width;
  });
  labels.push(text("head", LEFT, TOP - 9, "start", `${preset.hypotheses[0]} ${percent(state.p)}`));
  labels.push(text("head", LEFT + SIDE, TOP - 9, "end", `${preset.hypotheses[1]} ${percent(CASES - state.p)}`));
  return parts.concat(labels).join("");
}

// Whole dots that sum to 1,000: the largest remainders are rounded up.
function wholes(n) {
  const whole = n.map(Math.floor);
  const order = n.map((x, i) => [x - whole[i], i]).sort((u, v) => v[0] - u[0] || u[1] - v[1]);
  for (let i = 0, left = CASES - whole.reduce((s, x) => s + x, 0); i < left; i++) whole[order[i][1]]++;
  return whole;
}

// Rows of 40, sorted by what is seen: hits, false alarms, then all cases without the evidence.
function dots(preset, state) {
  const whole = wholes(counts(state)), parts = [];
  const words = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([h, o]) => `${preset.hypotheses[h]}, ${preset.outcomes[o]}`);
  let at = 0;
  [0, 2, 1, 3].forEach((group, line) => {
    let path = "";
    for (let i = 0; i < whole[group]; i++, at++) path += `M${LEFT + 3.75 + 7.5 * (at % 40)} ${TOP + 3.75 + 7.5 * Math.floor(at / 40)}h0`;
    const y = TOP + 212 + 24 * line;
    parts.push(`<path class="dots ${KINDS[group]}" d="${path}M${LEFT + 4} ${y - 4.5}h0"></path>`);
    parts.push(text("key", LEFT + 16, y, "start", `${whole[group]} ${words[[0, 2, 1, 3].indexOf(group)]}`));
  });
  return parts.join("");
}

function sentence(preset, state) {
  const [hits, , alarms] = counts(state), seen = hits + alarms, name = preset.hypotheses[0];
  if (state.a === 0 && state.b === 0)
    return `<p>${preset.seen} <b>0</b> of 1,000 ${preset.cases}. What never happens teaches nothing: <strong class="posterior">no posterior</strong></p>`;
  const before = state.p / (CASES - state.p), ratio = state.a / state.b;
  const bits = [before, ratio, before * ratio].map(Math.log2);
  return `<p>${preset.seen} <b>${count(seen)}</b> of 1,000 ${preset.cases}. Of these, <b>${count(hits)}</b> ${hits === 1 ? "is" : "are"} ${name}: ` +
    `<span class="whole">${count(hits)} / ${count(seen)} = <strong class="posterior">${share(hits / seen)}</strong></span></p>` +
    `<p class="odds">Odds of ${preset.thing}: <b>${ratioText(before)}</b> before × <b>${ratioText(ratio)}</b> = <b>${ratioText(before * ratio)}</b> after</p>` +
    `<p class="bits">In bits: <b>${signed(bits[0])}</b> + <b>${signed(bits[1])}</b> = <b>${signed(bits[2])}</b></p>`;
}

function table(preset, state) {
  const n = counts(state), rows = [[n[0], n[1]], [n[2], n[3]], [n[0] + n[2], n[1] + n[3]]];
  const head = [...preset.outcomes, "all"].map(words => `<th scope="col">${words}</th>`).join("");
  const body = rows.map((row, i) => `<tr><th scope="row">${[...preset.hypotheses, "all"][i]}</th>` +
    [...row, row[0] + row[1]].map(value => `<td>${count(value)}</td>`).join("") + "</tr>").join("");
  return `<thead><tr><td></td>${head}</tr></thead><tbody>${body}</tbody>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const svg = find("svg"), keys = ["p", "a", "b"];
  const state = {};
  let preset = data.presets[0], view = "areas";

  function load(number) {
    preset = data.presets[number];
    keys.forEach((key, i) => { state[key] = preset.state[i]; });
    all("label .name").forEach((name, i) => { name.textContent = preset.sliders[i]; });
    all("[data-preset]").forEach(button => button.setAttribute("aria-pressed", button.dataset.preset === String(number)));
  }

  function moveGrips() {
    const x = LEFT + SIDE * state.p / CASES, y = t => TOP + SIDE - SIDE * t / CASES;
    const lines = {p: [x, TOP, x, TOP + SIDE], a: [LEFT, y(state.a), x, y(state.a)], b: [x, y(state.b), LEFT + SIDE, y(state.b)]};
    for (const grip of all(".grip")) {
      const line = lines[grip.dataset.grip];
      ["x1", "y1", "x2", "y2"].forEach((name, i) => grip.firstChild.setAttribute(name, line[i].toFixed(2)));
      for (const circle of grip.querySelectorAll("circle")) {
        circle.setAttribute("cx", ((line[0] + line[2]) / 2).toFixed(2));
        circle.setAttribute("cy", ((line[1] + line[3]) / 2).toFixed(2));
      }
    }
    find(".grips").style.display = view === "areas" ? "" : "none";
  }

  function draw() {
    find(".picture").innerHTML = (view === "areas" ? areas : dots)(preset, state);
    moveGrips();
    for (const key of keys) {
      const input = find(`[data-key="${key}"]`);
      input.value = state[key];
      input.setAttribute("aria-valuetext", percent(state[key]));
      input.nextSibling.textContent = percent(state[key]);
    }
    find("table").innerHTML = table(preset, state);
    find(".result").innerHTML = sentence(preset, state);
    all("[data-view]").forEach(button => button.setAttribute("aria-pressed", button.dataset.view === view));
  }

  function set(key, value) {
    const low = key === "p" ? 1 : 0;
    state[key] = Math.min(CASES - low, Math.max(low, Math.round(value)));
    draw();
  }

  root.addEventListener("input", event => event.target.dataset.key && set(event.target.dataset.key, Number(event.target.value)));
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.preset) load(Number(button.dataset.preset));
    if (button.dataset.view) view = button.dataset.view;
    draw();
  });

  // A touch on a grip drags; a touch beside it scrolls the page. (CSS touch-action does not reach inside an SVG.)
  svg.addEventListener("touchstart", event => event.target.closest(".grip") && event.preventDefault(), {passive: false});
  let held = null;
  svg.addEventListener("pointerdown", event => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    held = grip.dataset.grip;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const part = held === "p" ? (at.x - LEFT) / SIDE : (TOP + SIDE - at.y) / SIDE;
    set(held, 10 * Math.round(100 * part)); // whole per cents by hand, tenths by slider
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(end, () => { held = null; });

  load(0);
  draw();
}
