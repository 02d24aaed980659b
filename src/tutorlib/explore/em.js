// Pitches in hertz run along the picture; bells stand above, a bar for each sentence below.
const LOW = 80, HIGH = 260, LEFT = 20, WIDTH = 300, BELL = 120, PEAK = 84, BAR_TOP = 150, BAR_BOTTOM = 250, STAGGER = 24;
const TRACE = {left: 58, right: 330, top: 24, bottom: 214};

const minus = (x, digits) => x.toFixed(digits).replace("-", "−");
const signed = x => (x < -0.005 ? "−" : "+") + Math.abs(x).toFixed(2);
const place = pitch => LEFT + WIDTH * (pitch - LOW) / (HIGH - LOW);
const bits = x => `${minus(x, 3)} bits`;

// Natural logarithms of prior times density: [sentence][voice]. All voices have one width and one prior.
function logJoint(pitches, centres, spread) {
  const constant = -Math.log(centres.length) - Math.log(spread * Math.sqrt(2 * Math.PI));
  return pitches.map(x => centres.map(c => constant - (x - c) ** 2 / (2 * spread * spread)));
}

function logSumExp(row) {
  const top = Math.max(...row);
  return top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

const logLikelihood = joint => joint.reduce((sum, row) => sum + logSumExp(row), 0) / Math.LN2;

// The E step: softmax over voices, for each sentence.
const responsibilities = joint => joint.map(row => { const all = logSumExp(row); return row.map(value => Math.exp(value - all)); });

function lowerBound(joint, shares) {
  let sum = 0;
  joint.forEach((row, i) => row.forEach((value, k) => { if (shares[i][k] > 0) sum += shares[i][k] * (value - Math.log(shares[i][k])); }));
  return sum / Math.LN2;
}

const counts = shares => shares[0].map((_, k) => shares.reduce((sum, row) => sum + row[k], 0));

// The M step: each centre moves to the weighted mean of all pitches.
function maximise(pitches, shares, centres) {
  const total = counts(shares);
  return centres.map((centre, k) => total[k] > 0 ? pitches.reduce((sum, x, i) => sum + shares[i][k] * x, 0) / total[k] : centre);
}

function bells(centres, spread) {
  return centres.map((centre, voice) => {
    const path = [];
    for (let at = LOW; at <= HIGH; at += 4) path.push(`${place(at).toFixed(2)},${(BELL - PEAK * Math.exp(-((at - centre) ** 2) / (2 * spread * spread))).toFixed(2)}`);
    return `<polyline class="bell voice-${voice}" points="${path.join(" ")}"></polyline>`;
  }).join("");
}

function bars(pitches, shares) {
  const box = (kind, pitch, y, height) =>
    `<rect class="${kind}" x="${(place(pitch) - 2.5).toFixed(2)}" y="${y.toFixed(2)}" width="5.00" height="${height.toFixed(2)}"></rect>`;
  return pitches.map((pitch, i) => {
    if (!shares) return box("open", pitch, BAR_TOP, BAR_BOTTOM - BAR_TOP);
    let bottom = BAR_BOTTOM;
    return shares[i].map((share, voice) => {
      const height = share * (BAR_BOTTOM - BAR_TOP);
      bottom -= height;
      return box(`voice-${voice}`, pitch, bottom, height);
    }).join("");
  }).join("");
}

function grips(centres) {
  return centres.map((centre, voice) => {
    const x = place(centre).toFixed(2), y = BELL - PEAK + STAGGER * voice;
    return `<g class="grip voice-${voice}" data-grip="${voice}">` +
      `<line x1="${x}" y1="${(BELL - PEAK).toFixed(2)}" x2="${x}" y2="${BAR_BOTTOM.toFixed(2)}"></line>` +
      `<circle class="reach" cx="${x}" cy="${y.toFixed(2)}" r="16"></circle>` +
      `<circle class="knob" cx="${x}" cy="${y.toFixed(2)}" r="9"></circle>` +
      `<text x="${x}" y="${(y + 4.5).toFixed(2)}" text-anchor="middle">${voice + 1}</text></g>`;
  }).join("");
}

// Points are {likelihood, bound}, one for the start and one for each step; before the first E step there is no bound.
function trace(points) {
  const values = points.flatMap(p => p.bound === null ? [p.likelihood] : [p.likelihood, p.bound]);
  const low = Math.min(...values), high = Math.max(...values), steps = Math.max(8, points.length - 1);
  const x = t => TRACE.left + (TRACE.right - TRACE.left) * t / steps;
  const y = v => high - low < 1e-9 ? (TRACE.top + TRACE.bottom) / 2 : TRACE.bottom - 8 - (TRACE.bottom - TRACE.top - 16) * (v - low) / (high - low);
  const at = (t, v) => `${x(t).toFixed(2)},${y(v).toFixed(2)}`;
  const line = key => points.map((p, t) => p[key] === null ? "" : at(t, p[key])).filter(Boolean).join(" ");
  const last = points.length - 1, end = points[last];
  const dot = (kind, v, r) => `<circle class="${kind}" cx="${x(last).toFixed(2)}" cy="${y(v).toFixed(2)}" r="${r}"></circle>`;
  const label = v => `<text x="${TRACE.left - 6}" y="${(y(v) + 4.5).toFixed(2)}" text-anchor="end">${minus(v, 1)}</text>`;
  return `<polyline class="likelihood" points="${line("likelihood")}"></polyline><polyline class="bound" points="${line("bound")}"></polyline>` +
    dot("likelihood", end.likelihood, 4) + (end.bound === null ? "" : dot("bound", end.bound, 7)) +
    label(high) + (high - low < 1e-9 ? "" : label(low)) +
    `<text x="${TRACE.left}" y="${TRACE.bottom + 18}" text-anchor="middle">start</text>` +
    (last > 0 ? `<text x="${Math.max(TRACE.left + 40, x(last)).toFixed(2)}" y="${TRACE.bottom + 18}" text-anchor="middle">${last}</text>` : "");
}

function table(centres, shares) {
  const total = shares && counts(shares);
  const rows = centres.map((centre, voice) =>
    `<tr><th scope="row">${voice + 1}</th><td><data class="centre" value="${centre}">${minus(centre, 1)}</data></td>` +
    `<td><data class="count" value="${total ? total[voice] : ""}">${total ? total[voice].toFixed(2) : "–"}</data></td></tr>`).join("");
  return '<thead><tr><th scope="col">voice</th><th scope="col">centre, Hz</th><th scope="col">sentences it answers for</th></tr></thead>' +
    `<tbody>${rows}</tbody>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  const room = find(".room"), spread = data.spread;
  let pitches, start, centres, shares, points, said;

  const now = () => logJoint(pitches, centres, spread);
  const likelihoodText = value => `<data class="log-likelihood" value="${value}">${minus(value, 3)}</data> bits`;
  const boundText = value => `<data class="bound" value="${value}">${minus(value, 3)}</data> bits`;

  function begin(at) {
    start = [...at];
    centres = [...at];
    shares = null;
    points = [{likelihood: logLikelihood(now()), bound: null}];
    said = `Start: log likelihood ${likelihoodText(points[0].likelihood)}. No E step yet, so no bound.`;
  }

  function load(number) {
    pitches = data.presets[number].pitches;
    begin(data.presets[number].start);
    find(".side").innerHTML = centres.map((centre, voice) =>
      `<label><span class="name">Centre of voice ${voice + 1}</span><input type="range" data-voice="${voice}" ` +
      `min="${LOW}" max="${HIGH}" step="1" value="${centre}" aria-valuetext="${minus(centre, 1)} hertz"></label>`).join("");
    find(".grips").innerHTML = grips(centres);
    all("[data-preset]").forEach(button => button.setAttribute("aria-pressed", button.dataset.preset === String(number)));
  }

  function record() {
    const joint = now(), point = {likelihood: logLikelihood(joint), bound: lowerBound(joint, shares)};
    points.push(point);
    return point;
  }

  function stepE() {
    const before = points[points.length - 1].bound;
    shares = responsibilities(now());
    const point = record();
    const rise = before === null ? "" : point.bound - before < 5e-4 ? " No change: they were up to date." : ` The bound rises by ${bits(point.bound - before)}.`;
    said = `E step: every sentence is split anew.${rise} Bound ${boundText(point.bound)} = log likelihood ${likelihoodText(point.likelihood)}.`;
  }

  function stepM() {
    if (!shares) {
      const value = points[0].likelihood;
      said = `No M step yet: nobody has said who spoke. Take an E step first. Log likelihood ${likelihoodText(value)}.`;
      return;
    }
    const before = points[points.length - 1].likelihood, moved = maximise(pitches, shares, centres);
    const moves = moved.map((centre, voice) => signed(centre - centres[voice]));
    centres = moved;
    const point = record();
    said = `M step: the centres move by ${moves.join(", ")} Hz. Log likelihood ${likelihoodText(point.likelihood)}, ` +
      `up by ${bits(Math.max(0, point.likelihood - before))}. Bound ${boundText(point.bound)}.`;
  }

  function run() {
    const before = points[points.length - 1].likelihood;
    for (let round = 0; round < 10; round++) { stepE(); stepM(); }
    const point = points[points.length - 1];
    said = `Ten rounds. Log likelihood ${likelihoodText(point.likelihood)}, up by ${bits(Math.max(0, point.likelihood - before))}. Bound ${boundText(point.bound)}.`;
  }

  // Grips are moved and never drawn anew, so that the one under a finger stays.
  function moveGrips() {
    for (const grip of all(".grip")) {
      const x = place(centres[Number(grip.dataset.grip)]).toFixed(2);
      for (const part of grip.children) for (const name of ["x", "x1", "x2", "cx"]) if (part.hasAttribute(name)) part.setAttribute(name, x);
    }
  }

  function draw() {
    find(".bells").innerHTML = bells(centres, spread);
    find(".bars").innerHTML = bars(pitches, shares);
    moveGrips();
    find(".curve").innerHTML = trace(points);
    find("table").innerHTML = table(centres, shares);
    find(".said").innerHTML = said;
    for (const input of all("[data-voice]")) {
      const centre = centres[Number(input.dataset.voice)];
      input.value = centre;
      input.setAttribute("aria-valuetext", `${minus(centre, 1)} hertz`);
    }
  }

  function move(voice, pitch) {
    const at = [...centres];
    at[voice] = Math.min(HIGH, Math.max(LOW, Math.round(pitch)));
    begin(at);
    draw();
  }

  root.addEventListener("input", event => event.target.dataset.voice && move(Number(event.target.dataset.voice), Number(event.target.value)));
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.preset) load(Number(button.dataset.preset));
    ({E: stepE, M: stepM, run, back: () => begin(start)})[button.dataset.action]?.();
    draw();
  });

  // A touch on a grip drags; a touch beside it scrolls the page. (CSS touch-action does not reach inside an SVG.)
  room.addEventListener("touchstart", event => event.target.closest(".grip") && event.preventDefault(), {passive: false});
  let held = null;
  room.addEventListener("pointerdown", event => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    held = Number(grip.dataset.grip);
    room.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  room.addEventListener("pointermove", event => {
    if (held === null) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(room.getScreenCTM().inverse());
    move(held, LOW + (HIGH - LOW) * (at.x - LEFT) / WIDTH);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) room.addEventListener(end, () => { held = null; });

  load(0);
  draw();
}
