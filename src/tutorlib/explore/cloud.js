// The same numbers as tutorlib.explore.cloud and tutorlib.geometry.rank_correlation.
const MIDDLE = 160, RADIUS = 135, SHADES = 5, AXIS = 850;

const fixed = (x, digits) => { const text = x.toFixed(digits); return Number(text) === 0 ? (0).toFixed(digits) : text; };

// Tilt about PC1, then turn about the upright axis of the picture: any direction can come to point right.
function turn(points, yaw, pitch) {
  const a = Math.PI * yaw / 180, p = Math.PI * pitch / 180;
  return points.map(([x, y, z]) => {
    const up = Math.cos(p) * y - Math.sin(p) * z, deep = Math.sin(p) * y + Math.cos(p) * z;
    return [Math.cos(a) * x + Math.sin(a) * deep, up, Math.cos(a) * deep - Math.sin(a) * x];
  });
}

function shade(entropy) {
  const low = Math.min(...entropy), high = Math.max(...entropy);
  return entropy.map(h => Math.min(SHADES - 1, Math.floor(SHADES * (h - low) / (high - low))));
}

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

const place = (right, up) => [fixed(MIDDLE + RADIUS * right / 1000, 1), fixed(MIDDLE - RADIUS * up / 1000, 1)];

function dots(turned, colours, count) {
  const strokes = [Array(count).fill(""), Array(count).fill("")];
  turned.forEach(([right, up, deep], i) => { strokes[deep >= 0 ? 1 : 0][colours[i]] += `M${place(right, up).join(" ")}h0`; });
  return strokes.map((row, near) => row.map((d, c) => `<path class="dots ${near ? "near" : "far"} c${c}" d="${d}"></path>`).join("")).join("");
}

function axes(yaw, pitch) {
  return turn([[AXIS, 0, 0], [0, AXIS, 0], [0, 0, AXIS]], yaw, pitch).map(([right, up], i) => {
    const x = MIDDLE + RADIUS * right / 1000, y = MIDDLE - RADIUS * up / 1000;
    return `<path class="axis" d="M${MIDDLE} ${MIDDLE}L${fixed(x, 1)} ${fixed(y, 1)}"></path><text x="${fixed(x + 4, 1)}" y="${fixed(y - 4, 1)}">PC${i + 1}</text>`;
  }).join("");
}

function legend(cloud, by) {
  const ends = [Math.min(...cloud.entropy), Math.max(...cloud.entropy)].map(h => fixed(h / 1000, 2) + " bits");
  const names = by === "entropy" ? [ends[0], "", "", "", ends[1]] : cloud.kinds;
  return names.map((name, i) => `<span><i class="c${i}"></i>${name}</span>`).join("");
}

function sentence(cloud, rho) {
  return `<p>${cloud.about} The three axes hold ${cloud.share.join(" + ")} % of the variance.</p>` +
    `<p>Left to right goes with entropy at ρ = <b>${fixed(rho, 2)}</b>.</p>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const svg = find("svg"), state = {cloud: 0, by: "entropy", yaw: 0, pitch: 0};
  const wrap = x => (Math.round(x) + 540) % 360 - 180;

  function draw() {
    const cloud = data.clouds[state.cloud], turned = turn(cloud.points, state.yaw, state.pitch);
    const byEntropy = state.by === "entropy", colours = byEntropy ? shade(cloud.entropy) : cloud.kind;
    find(".axes").innerHTML = axes(state.yaw, state.pitch);
    find(".cloud").innerHTML = dots(turned, colours, byEntropy ? SHADES : cloud.kinds.length);
    find(".legend").innerHTML = legend(cloud, state.by);
    find(".result").innerHTML = sentence(cloud, correlation(ranks(turned.map(point => point[0])), ranks(cloud.entropy)));
    for (const key of ["yaw", "pitch"]) {
      const input = find(`[data-key="${key}"]`);
      input.value = state[key];
      input.setAttribute("aria-valuetext", state[key] + " degrees");
      input.nextSibling.textContent = state[key] + "°";
    }
    for (const key of ["cloud", "by"]) all(`[data-${key}]`).forEach(button => button.setAttribute("aria-pressed", button.dataset[key] === String(state[key])));
  }

  root.addEventListener("input", event => {
    if (!event.target.dataset.key) return;
    state[event.target.dataset.key] = Number(event.target.value);
    draw();
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.cloud) { state.cloud = Number(button.dataset.cloud); state.yaw = state.pitch = 0; }
    if (button.dataset.by) state.by = button.dataset.by;
    if (button.dataset.view) [state.yaw, state.pitch] = button.dataset.view === "first" ? [0, 0] : data.clouds[state.cloud].best;
    draw();
  });
  svg.addEventListener("keydown", event => {
    const step = {ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5]}[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    state.yaw = wrap(state.yaw + step[0]);
    state.pitch = wrap(state.pitch + step[1]);
    draw();
  });

  // A finger that moves sideways turns the cloud; one that moves up or down scrolls the page and tilts nothing.
  let held = null;
  svg.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    held = [event.clientX, event.clientY, state.yaw, state.pitch];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    state.yaw = wrap(held[2] + (event.clientX - held[0]) / 2);
    state.pitch = wrap(held[3] + (event.clientY - held[1]) / 2);
    draw();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(end, () => { held = null; });

  draw();
}
