// The same numbers as tutorlib.explore.uncertain and tutorlib.geometry.rank_correlation.
const LEFT = 34, TOP = 10, SPAN = 276, SHADES = 5, MOST = 12;

const shade = bits => Math.max(0, Math.min(SHADES - 1, Math.floor(bits / 2)));
const place = bits => SPAN * Math.max(0, Math.min(MOST, bits)) / MOST;
const escaped = text => text.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);

// Equal numbers share the mean of their ranks.
function ranks(x) {
  const order = x.map((_, i) => i).sort((i, j) => x[i] - x[j]), rank = Array(x.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j + 1 < order.length && x[order[j + 1]] === x[order[i]]) j++;
    for (let k = i; k <= j; k++) rank[order[k]] = (i + j) / 2;
    i = j + 1;
  }
  return rank;
}

function correlation(x, y) {
  const mean = v => v.reduce((a, b) => a + b) / v.length, mx = mean(x), my = mean(y);
  let xy = 0, xx = 0, yy = 0;
  x.forEach((value, i) => { const a = value - mx, b = y[i] - my; xy += a * b; xx += a * a; yy += b * b; });
  return xy / Math.sqrt(xx * yy);
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const state = {text: "0", axis: data.axes[0][0], at: 0};
  const box = find("[role=listbox]"), svg = find("svg");

  function choose(i, focus) {
    const text = data.texts[state.text], h = text.entropy, a = text[state.axis];
    state.at = Math.max(0, Math.min(h.length - 1, i));
    all("[role=option]").forEach((token, n) => {
      token.setAttribute("aria-selected", n === state.at);
      token.tabIndex = n === state.at ? 0 : -1;
      if (n === state.at && focus) token.focus();
    });
    all(".dot").forEach((dot, n) => {
      dot.classList.toggle("now", n === state.at);
      dot.setAttribute("r", n === state.at ? 6.5 : 3.6);
    });
    const off = h.reduce((sum, value, n) => sum + Math.abs(value - a[n]), 0) / h.length;
    find(".result").innerHTML =
      `<p>After “<b>${escaped(text.pieces[state.at].trim())}</b>” the next token has <b data-is="entropy">${h[state.at].toFixed(2)}</b> bits; ` +
      `the axis reads <b data-is="reading">${a[state.at].toFixed(2)}</b>.</p><p>Over this text: ρ = <b data-is="rho">` +
      `${correlation(ranks(h), ranks(a)).toFixed(2)}</b>, off by <b data-is="off">${off.toFixed(2)}</b> bits in the mean.</p>`;
  }

  function draw() {
    const text = data.texts[state.text], h = text.entropy, a = text[state.axis];
    find(".front").textContent = text.front;
    find(".what").textContent = data.axes.find(([key]) => key === state.axis)[1];
    box.innerHTML = text.pieces.map((piece, i) =>
      `<span role="option" class="up${shade(h[i])} down${shade(a[i])}" tabindex="-1" aria-selected="false" data-i="${i}">${escaped(piece)}</span>`).join("");
    find(".dots").innerHTML = h.map((bits, i) =>
      `<circle class="dot" data-i="${i}" cx="${(LEFT + place(bits)).toFixed(2)}" cy="${(TOP + SPAN - place(a[i])).toFixed(2)}" r="3.6"></circle>`).join("");
    for (const key of ["text", "axis"]) all(`button[data-${key}]`).forEach(button => button.setAttribute("aria-pressed", button.dataset[key] === state[key]));
    choose(state.at, false);
  }

  root.addEventListener("click", event => {
    const button = event.target.closest("button"), token = event.target.closest("[role=option]");
    if (token) choose(Number(token.dataset.i), true);
    if (!button) return;
    if (button.dataset.text) { state.text = button.dataset.text; state.at = 0; }
    if (button.dataset.axis) state.axis = button.dataset.axis;
    draw();
  });
  box.addEventListener("keydown", event => {
    const last = data.texts[state.text].entropy.length - 1;
    const to = {ArrowRight: state.at + 1, ArrowDown: state.at + 1, ArrowLeft: state.at - 1, ArrowUp: state.at - 1, Home: 0, End: last}[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(to, true);
  });
  // A click in the scatter takes the nearest dot, so that a finger need not hit it.
  svg.addEventListener("click", event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const far = all(".dot").map(dot => Math.hypot(dot.cx.baseVal.value - at.x, dot.cy.baseVal.value - at.y));
    const nearest = far.indexOf(Math.min(...far));
    if (far[nearest] < 24) choose(nearest, false);
  });

  draw();
}
