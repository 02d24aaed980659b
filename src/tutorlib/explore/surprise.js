// All probabilities are whole mornings of 64, so that every power of two down to 1/64 can be reached exactly.
const LEFT = 26, WIDTH = 320, BASE = 252, BIT = 36, TALLEST = 6;
const BELIEF_Y = 324, BELIEF_TALL = 26, MORNINGS = 64, KINDS = [0, 1, 2, 3];

const fixed = x => x === Infinity ? "∞" : x.toFixed(3);
const total = list => list.reduce((a, b) => a + b, 0);

/** Letters of the word for something believed on `count` of 64 mornings. */
function letters(count) {
  let n = 0;
  while (count << n < MORNINGS) n++;
  return n;
}

const height = (count, whole = false) => count === 0 ? Infinity : whole ? letters(count) : Math.log2(MORNINGS / count);

/** A word of each length, none of which begins another: the shortest first, each the next one free. */
function words(lengths) {
  const given = lengths.map(() => null);
  const order = lengths.map((n, i) => [n, i]).filter(([n]) => n !== Infinity).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let at = 0, before = 0;
  for (const [n, i] of order) {
    at <<= n - before;
    given[i] = n ? at.toString(2).padStart(n, "0") : "";
    at++;
    before = n;
  }
  return given;
}

const rect = (kind, x, low, high, width) =>
  `<rect class="${kind}" x="${x.toFixed(2)}" y="${(BASE - BIT * high).toFixed(2)}" width="${width.toFixed(2)}" height="${(BIT * (high - low)).toFixed(2)}"></rect>`;
const text = (kind, x, y, anchor, content) =>
  `<text class="${kind}" x="${x.toFixed(2)}" y="${y.toFixed(2)}" text-anchor="${anchor}">${content}</text>`;

function columns(names, p, q, whole) {
  const parts = [], labels = [];
  for (let bits = 0; bits <= TALLEST; bits++) {
    const y = BASE - BIT * bits;
    parts.push(`<line class="level" x1="${LEFT}" y1="${y}" x2="${LEFT + WIDTH}" y2="${y}"></line>`);
    labels.push(text("tick", LEFT - 6, y + 4.5, "end", String(bits)));
  }
  let left = LEFT;
  for (const i of KINDS) {
    const width = WIDTH * p[i] / MORNINGS, own = height(p[i]), paid = height(q[i], whole);
    if (p[i]) {
      const cut = Math.min(paid, TALLEST);
      parts.push(rect("own", left, 0, Math.min(own, cut), width));
      if (cut > own) parts.push(rect("extra", left, own, cut, width));
      if (own > cut) parts.push(rect("saved", left, cut, own, width));
      if (width >= 8 * names[i].length) {
        labels.push(text("name", left + width / 2, BASE + 16, "middle", names[i]));
        labels.push(text("paid", left + width / 2, BASE - BIT * Math.max(own, cut) - 5, "middle", paid === Infinity ? "∞" : paid.toFixed(2)));
      }
    }
    left += width;
  }
  return parts.concat(labels).join("");
}

function strip(names, q) {
  const parts = [], labels = [];
  let left = LEFT;
  for (const i of KINDS) {
    const width = WIDTH * q[i] / MORNINGS;
    parts.push(`<rect class="piece piece${i % 2}" x="${left.toFixed(2)}" y="${BELIEF_Y}" width="${width.toFixed(2)}" height="${BELIEF_TALL}"></rect>`);
    if (width >= 8 * names[i].length) labels.push(text("name", left + width / 2, BELIEF_Y + 17.5, "middle", names[i]));
    left += width;
  }
  return parts.concat(labels).join("");
}

/** Means over 64 mornings, in bits: entropy, what is paid, what is extra and saved, and KL the other way. */
function sums(p, q, whole) {
  const mean = f => total(KINDS.filter(i => p[i]).map(i => p[i] * f(height(p[i]), height(q[i], whole)))) / MORNINGS;
  const reverse = total(KINDS.filter(i => q[i]).map(i => q[i] / MORNINGS * (p[i] ? Math.log2(q[i] / p[i]) : Infinity)));
  const extra = mean((own, paid) => Math.max(paid - own, 0)), saved = mean((own, paid) => Math.max(own - paid, 0));
  return {entropy: mean(own => own), paid: mean((own, paid) => paid), extra, saved, gap: extra - saved, reverse: Math.max(reverse, 0)};
}

function result(p, q, whole) {
  const s = sums(p, q, whole), say = (key, tag = "b") => `<${tag} data-sum="${key}">${fixed(s[key])}</${tag}>`;
  const gap = `extra ${say("extra")} − saved ${say("saved")} = ${say("gap", "strong")}`;
  return whole
    ? `<p>Entropy H(p) = ${say("entropy")} bits a morning. The lamp needs ${say("paid")} seconds a morning.</p><p>Above the entropy: ${gap}.</p>`
    : `<p>Entropy H(p) = ${say("entropy")} bits a morning. Cross-entropy H(p, q) = ${say("paid")} bits.</p>`
      + `<p>KL(p ‖ q) = ${gap} bits. <span class="whole">The other way, KL(q ‖ p) = ${say("reverse")} bits.</span></p>`;
}

function table(names, p, q, whole) {
  const unit = whole ? "seconds" : "bits", each = x => whole ? (x === Infinity ? "∞" : String(x)) : fixed(x);
  const given = words(q.map(count => height(count, true)));
  const head = ["truth<br>p", "belief<br>q", `${unit}<br>each`, `${unit}<br>in all`, ...(whole ? ["word"] : [])]
    .map(name => `<th scope="col">${name}</th>`).join("");
  const rows = KINDS.map(i => {
    const h = height(q[i], whole), word = given[i] === null ? "none" : given[i] || "empty";
    return `<tr><th scope="row">${names[i]}</th><td>${p[i]}</td><td>${q[i]}</td><td>${each(h)}</td><td>${each(p[i] ? p[i] * h : 0)}</td>${whole ? `<td class="word">${word}</td>` : ""}</tr>`;
  }).join("");
  const all = each(total(KINDS.map(i => p[i] ? p[i] * height(q[i], whole) : 0)));
  return `<thead><tr><td>of 64</td>${head}</tr></thead><tbody>${rows}<tr><th scope="row">all</th><td>64</td><td>64</td><td></td><td>${all}</td>${whole ? "<td></td>" : ""}</tr></tbody>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const svg = find("svg"), names = data.names, counts = {};
  let whole = false;

  const lines = key => [1, 2, 3].map(n => total(counts[key].slice(0, n)));
  const load = number => { for (const key of "pq") counts[key] = [...data.presets[number][key]]; };
  const same = preset => KINDS.every(i => preset.p[i] === counts.p[i] && preset.q[i] === counts.q[i]);

  function draw() {
    const {p, q} = counts;
    find(".columns").innerHTML = columns(names, p, q, whole);
    find(".strip").innerHTML = strip(names, q);
    for (const grip of all(".grip")) {
      const key = grip.dataset.grip[0], which = Number(grip.dataset.grip[1]), at = lines(key)[which];
      grip.setAttribute("transform", `translate(${(LEFT + WIDTH * at / MORNINGS).toFixed(2)} 0)`);
      grip.setAttribute("aria-valuenow", at);
      grip.setAttribute("aria-valuetext", `${names[which]} ${counts[key][which]}, ${names[which + 1]} ${counts[key][which + 1]} of ${MORNINGS}`);
    }
    find("table").innerHTML = table(names, p, q, whole);
    find(".result").innerHTML = result(p, q, whole);
    find('[data-do="whole"]').setAttribute("aria-pressed", whole);
    for (const button of all("[data-preset]")) button.setAttribute("aria-pressed", same(data.presets[Number(button.dataset.preset)]));
  }

  /** Moves one dividing line; it pushes those it meets along. */
  function move(key, which, wanted) {
    const at = Math.min(MORNINGS, Math.max(0, Math.round(wanted)));
    const moved = lines(key).map((line, i) => i === which ? at : i < which ? Math.min(line, at) : Math.max(line, at));
    counts[key] = KINDS.map(i => (i < 3 ? moved[i] : MORNINGS) - (i > 0 ? moved[i - 1] : 0));
    draw();
  }

  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.preset) load(Number(button.dataset.preset));
    if (button.dataset.do === "believe") counts.q = [...counts.p];
    if (button.dataset.do === "swap") [counts.p, counts.q] = [counts.q, counts.p];
    if (button.dataset.do === "whole") whole = !whole;
    draw();
  });

  svg.addEventListener("keydown", event => {
    const grip = event.target.closest(".grip");
    if (!grip || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = grip.dataset.grip[0], which = Number(grip.dataset.grip[1]), at = lines(key)[which];
    const to = {ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1,
                PageUp: at + 8, PageDown: at - 8, Home: 0, End: MORNINGS}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(key, which, to);
  });

  // A touch on a handle drags; a touch beside it scrolls the page. (CSS touch-action does not reach inside an SVG.)
  svg.addEventListener("touchstart", event => event.target.closest(".grip") && event.preventDefault(), {passive: false});
  let held = null;
  svg.addEventListener("pointerdown", event => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    held = grip.dataset.grip;
    svg.setPointerCapture(event.pointerId);
    grip.focus({preventScroll: true});
    event.preventDefault();
  });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    move(held[0], Number(held[1]), MORNINGS * (at.x - LEFT) / WIDTH);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(end, () => { held = null; });

  load(0);
  draw();
}
