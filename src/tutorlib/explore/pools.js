// The picture shows fewer pitches than there are; these numbers stand in pools.py too.
const SEEN_LOW = 40, SEEN_HIGH = 260, LEFT = 15, SPAN = 310, BASE = 122, PEAK = 5200, BAR_TOP = 152, BAR_BOTTOM = 232, EVERY = 4;
const DIGITS = 9, SIDES = ["left", "right"];

const minus = (x, digits) => x.toFixed(digits).replace("-", "−");
const signed = (x, digits) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(digits);
const place = pitch => LEFT + SPAN * (pitch - SEEN_LOW) / (SEEN_HIGH - SEEN_LOW);

function logSumExp(values) {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

const normalised = logs => { const all = logSumExp(logs); return logs.map(value => value - all); };

// Log probabilities of a bell on whole hertz.
const bell = (centre, width, pitches) => normalised(pitches.map(x => -((x - centre) ** 2) / (2 * width * width)));

// For one hint: the log guess [pitch] and the shares [voice][pitch].
function pool(gate, logs, power) {
  const mixed = logs[0].map((_, y) => logs.map((row, j) => Math.log(gate[j]) + power * row[y]));
  const totals = mixed.map(logSumExp);
  const guess = power === 0
    ? normalised(logs[0].map((_, y) => logs.reduce((sum, row, j) => sum + gate[j] * row[y], 0)))
    : normalised(totals.map(total => total / power));
  return {gate, guess, shares: logs.map((_, j) => mixed.map((row, y) => Math.exp(row[j] - totals[y])))};
}

// Minus the gradient of one sentence's loss by the scores; power 0 is the limit.
function pulls(one, logs, power, y) {
  const p = one.guess.map(Math.exp);
  if (power === 0) {
    const pull = logs.map(row => row.reduce((sum, value, at) => sum + p[at] * value, 0) - row[y]);
    const mean = pull.reduce((sum, value, j) => sum + one.gate[j] * value, 0);
    return pull.map((value, j) => -one.gate[j] * (value - mean));
  }
  return one.shares.map(row => (row[y] - row.reduce((sum, value, at) => sum + p[at] * value, 0)) / power);
}

function state(data, centres, gate, power, divide, sentence) {
  const pitches = Array.from({length: data.high - data.low + 1}, (_, n) => data.low + n);
  const logs = centres.map(centre => bell(centre, data.width, pitches));
  const hints = [[gate, 1 - gate], [1 - gate, gate]].map(weights => pool(weights, logs, power));
  const heard = data.pitches.map(pitch => pitch - data.low);
  const after = heard.map((y, i) => hints[data.hints[i]].shares.map(row => row[y]));
  const counts = centres.map((_, j) => after.reduce((sum, row) => sum + row[j], 0));
  // The gradient by log p_j(y), summed over sentences; then through the bell, whose logit has the slope (y - c) / s^2.
  const slope = centres.map((centre, j) => {
    let sum = 0, mass = 0, own = 0;
    heard.forEach((y, i) => {
      const one = hints[data.hints[i]], row = one.shares[j];
      for (let at = 0; at < pitches.length; at++) {
        const part = row[at] * Math.exp(one.guess[at]);
        sum += part * pitches[at];
        mass += part;
      }
      sum -= row[y] * pitches[y];
      mass -= row[y];
    });
    logs[j].forEach((value, at) => { own += Math.exp(value) * pitches[at]; });
    return (sum - mass * own) / data.width ** 2;
  });
  const one = hints[data.hints[sentence]];
  return {
    centre: centres, gate: one.gate, share: after[sentence], pull: pulls(one, logs, power, heard[sentence]), count: counts,
    move: slope.map((value, j) => -value * data.width ** 2 / (divide ? counts[j] : data.pitches.length / 2)),
    loss: -heard.reduce((sum, y, i) => sum + hints[data.hints[i]].guess[y], 0) / Math.LN2,
    guess: one.guess.map(Math.exp).slice(SEEN_LOW - data.low, SEEN_HIGH - data.low + 1).filter((_, n) => n % EVERY === 0),
    shares: after.map(row => row[0]),
  };
}

function curves(now, pitch) {
  const path = now.guess.map((p, n) => `${place(SEEN_LOW + EVERY * n).toFixed(2)},${(BASE - PEAK * p).toFixed(2)}`).join(" ");
  const lines = now.centre.map((centre, voice) => {
    const from = place(centre).toFixed(2), to = place(centre + now.move[voice]).toFixed(2), y = (30 + 10 * voice).toFixed(2);
    return `<line class="centre-line voice-${voice}" x1="${from}" y1="24.00" x2="${from}" y2="${BASE.toFixed(2)}"></line>` +
      `<line class="arrow voice-${voice}" x1="${from}" y1="${y}" x2="${to}" y2="${y}"></line>` +
      `<circle class="voice-${voice}" cx="${to}" cy="${y}" r="3.5"></circle>`;
  }).join("");
  const at = place(pitch).toFixed(2);
  return `${lines}<polyline class="guess" points="${path}"></polyline>` +
    `<line class="heard" x1="${at}" y1="60.00" x2="${at}" y2="${BAR_BOTTOM.toFixed(2)}"></line>`;
}

function bars(now, pitches, chosen) {
  return pitches.map((pitch, number) => {
    const x = place(pitch) - 3, cut = BAR_BOTTOM - now.shares[number] * (BAR_BOTTOM - BAR_TOP);
    return `<rect class="voice-0" x="${x.toFixed(2)}" y="${cut.toFixed(2)}" width="6.00" height="${(BAR_BOTTOM - cut).toFixed(2)}"></rect>` +
      `<rect class="voice-1" x="${x.toFixed(2)}" y="${BAR_TOP.toFixed(2)}" width="6.00" height="${(cut - BAR_TOP).toFixed(2)}"></rect>` +
      (number === chosen ? `<circle class="chosen" cx="${(x + 3).toFixed(2)}" cy="${(BAR_TOP - 5).toFixed(2)}" r="3"></circle>` : "");
  }).join("");
}

function tables(now) {
  const rows = columns => [0, 1].map(voice => `<tr><th scope="row">${voice + 1}</th>` + columns.map(([kind, digits, write]) =>
    `<td><data class="${kind}" value="${now[kind][voice].toFixed(DIGITS)}">${write(now[kind][voice], digits)}</data></td>`).join("") + "</tr>").join("");
  const table = (label, heads, body) => `<table aria-label="${label}"><thead><tr>` +
    ["voice", ...heads].map(head => `<th scope="col">${head}</th>`).join("") + `</tr></thead><tbody>${body}</tbody></table>`;
  return table("This sentence", ["gate", "share after", "pull on its score"], rows([["gate", 2, minus], ["share", 2, minus], ["pull", 3, signed]])) +
    table("All sentences", ["centre, Hz", "sum of shares", "next move, Hz"], rows([["centre", 1, minus], ["count", 2, minus], ["move", 2, signed]]));
}

function mount(root, data) {
  const find = selector => root.querySelector(selector);
  let centres = [...data.start], moves = 0;
  const input = key => find(`[data-key="${key}"]`);
  const now = () => state(data, centres, Number(input("gate").value), Number(input("power").value), input("divide").checked, Number(input("sentence").value) - 1);

  function name(power, divide) {
    if (power === 1) return divide ? "A mixture, and its step is EM." : "A mixture, and a plain gradient step.";
    if (power === 0) return divide ? "Attention, with a division that its gradient does not have." : "Attention, and a plain gradient step.";
    return "Between the two.";
  }

  function draw() {
    const at = now(), power = Number(input("power").value), sentence = Number(input("sentence").value) - 1;
    const told = {
      power: power.toFixed(2) + (power === 0 ? ", logarithms" : power === 1 ? ", probabilities" : ""),
      gate: Number(input("gate").value).toFixed(2),
      sentence: `${sentence + 1}: ${data.pitches[sentence]} Hz, from the ${SIDES[data.hints[sentence]]}`,
    };
    for (const [key, words] of Object.entries(told)) {
      input(key).setAttribute("aria-valuetext", words);
      input(key).parentElement.querySelector(".value").textContent = words;
    }
    find(".curves").innerHTML = curves(at, data.pitches[sentence]);
    find(".bars").innerHTML = bars(at, data.pitches, sentence);
    find(".tables").innerHTML = tables(at);
    find(".said").innerHTML = `${name(power, input("divide").checked)} Loss of the twelve sentences <data class="loss" value="${at.loss.toFixed(DIGITS)}">` +
      `${minus(at.loss, 3)}</data> bits after ${moves} moves.`;
  }

  function step() {
    const at = now();
    centres = centres.map((centre, voice) => centre + at.move[voice]);
    moves += 1;
  }

  root.addEventListener("input", draw);
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do === "again") { centres = [...data.start]; moves = 0; }
    else for (let n = 0; n < (button.dataset.do === "ten" ? 10 : 1); n++) step();
    draw();
  });
  draw();
}
