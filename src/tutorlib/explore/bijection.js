// The elimination game. A state is {secret, steps, box}: what each box hides, the boxes opened in order as
// {box, ball}, and the box asked about. States are never changed, so undo is a list of earlier ones.
// Boxes and balls count from 0 here and from 1 and A on the screen. bijection.py draws the first state alike.

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SCALES = [10, 20, 30, 40, 60, 100]; // tops of the bars, in per cent

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const range = (count) => Array.from({ length: count }, (_, i) => i);
const entropy = (p) => -sum(p.map((x) => (x > 0 ? x * Math.log2(x) : 0)));
const divergence = (p, q) => sum(p.map((x, i) => (x > 0 ? x * Math.log2(x / q[i]) : 0)));
const fixed = (x, digits) => Math.abs(x).toFixed(digits);
const percent = (p) => fixed(100 * p, 1).replace("100.0", "100");
const small = (x) => (x > 0 && x < 0.00005 ? "&lt;0.0001" : fixed(Math.max(x, 0), 4));
const hush = (words) => `<span class="hush">${words} </span>`;

/** Uniform over the balls not yet seen; null if a ball came twice, because then no bijection fits. */
function exactPosterior(size, steps) {
  const seen = new Set(steps.map((step) => step.ball));
  if (seen.size < steps.length) return null;
  return range(size).map((ball) => (seen.has(ball) ? 0 : 1 / (size - seen.size)));
}

/** Both answers to "which ball is in this box?", and how far apart they are. */
function answers(network, size, steps, box) {
  const tokens = [...steps.flatMap((step) => [step.box, size + step.ball]), box];
  const predicted = softmax(logitsAfter(network, tokens)); // over 2 * size tokens: the boxes, then the balls
  const balls = predicted.slice(size);
  const exact = exactPosterior(size, steps);
  return {
    k: steps.length + 1, box, balls, exact,
    networkEntropy: entropy(predicted),
    exactEntropy: exact && entropy(exact),
    kl: exact && divergence(exact, balls),
    // A box number is never an answer, so its mass is on the impossible too.
    impossible: exact && sum(predicted.slice(0, size)) + sum(balls.filter((_, ball) => exact[ball] === 0)),
  };
}

/** mulberry32: a small generator, so that game n is the same game for every reader. */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fisher and Yates: every order of the balls is equally likely. */
function shuffled(size, random) {
  const order = range(size);
  for (let last = size - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

const closedBoxes = (state) => range(state.secret.length).filter((box) => !state.steps.some((step) => step.box === box));

/** The state after the asked box showed a ball. A ball put there by the reader changes places with the hidden one. */
function opened(state, chosen = null) {
  const ball = chosen ?? state.secret[state.box];
  const secret = state.secret.map((inside) => (inside === ball ? state.secret[state.box] : inside));
  secret[state.box] = ball;
  const after = { secret, steps: [...state.steps, { box: state.box, ball }], box: null };
  const left = closedBoxes(after);
  return { ...after, box: left.find((box) => box > state.box) ?? left[0] ?? null };
}

// Words ------------------------------------------------------------------------------------------------------------

/** The two boxes and the ball that came out of both. */
function contradiction(steps) {
  for (const [at, step] of steps.entries()) {
    const first = steps.slice(0, at).find((earlier) => earlier.ball === step.ball);
    if (first) return `ball ${LETTERS[step.ball]} came out of box ${first.box + 1} and of box ${step.box + 1}`;
  }
  return null;
}

function sentence(size, steps, answer) {
  const last = steps.at(-1);
  const before = last ? `Ball ${LETTERS[last.ball]} came out of box ${last.box + 1}. ` : "";
  const network = `Network: ${fixed(answer.networkEntropy, 3)} bits.`;
  if (!answer.exact) {
    const unseen = size - new Set(steps.map((step) => step.ball)).size;
    return `${before}No bijection fits this evidence: ${contradiction(steps)}. An exact posterior does not exist. `
      + `The network answers all the same. Crossing out what was seen would leave ${unseen} ${unseen === 1 ? "ball" : "balls"}: `
      + `log₂\u00a0${unseen} = ${fixed(Math.log2(unseen), 3)} bits. ${network}`;
  }
  const left = size - steps.length;
  return `${before}Question ${answer.k} of ${size}: which ball is in box ${answer.box + 1}? `
    + `${left} ${left === 1 ? "ball is" : "balls are"} possible, ${left === 1 ? "" : "each "}with probability ${left === 1 ? 1 : `1/${left}`}. `
    + `Exact entropy: log₂(${size}\u00a0−\u00a0${answer.k}\u00a0+\u00a01) = log₂\u00a0${left} = ${fixed(answer.exactEntropy, 3)} bits. ${network}`;
}

function ending(size, steps, past) {
  const lawful = past.filter((answer) => answer.exact);
  const error = sum(lawful.map((answer) => Math.abs(answer.networkEntropy - answer.exactEntropy))) / lawful.length;
  const odd = contradiction(steps);
  const last = steps.at(-1);
  return `Ball ${LETTERS[last.ball]} came out of box ${last.box + 1}, and all ${size} boxes are open. The network's entropy was off by ${small(error).replace("&lt;", "less than ")} bits on average `
    + (odd ? `over the ${lawful.length} questions that had an exact answer; then ${odd}.` : `over the ${size} questions.`);
}

/** What a guess of the number of possible balls shows about the reader's thinking. */
function verdict(guess, size, answer) {
  const seen = answer.k - 1;
  if (!answer.exact) {
    return guess === 0 ? "Right: none. No bijection fits this evidence."
      : "Look for a ball that came twice. No bijection fits this evidence, so the number is 0.";
  }
  const left = size - seen;
  const because = `${size} balls less the ${seen} seen leave ${left}.`;
  if (guess === left) return `Right: ${because}`;
  if (guess === size) return `Not quite. ${guess} would be right if a ball went back after it was seen. ${because}`;
  if (guess === left - 1) return `Not quite. The box you ask about still holds its ball. ${because}`;
  if (Math.abs(guess - Math.log2(left)) < 0.05) return `That is the entropy in bits; the question is how many balls. ${because}`;
  return `Not quite. ${because}`;
}

// Pictures ---------------------------------------------------------------------------------------------------------

const ballMark = (ball, more = "") => `<span class="ball${more}" style="--hue: ${(ball * 137) % 360}">${hush("ball")}${LETTERS[ball]}</span>`;

function bars(answer, steps) {
  const seen = new Set(steps.map((step) => step.ball));
  const largest = 100 * Math.max(...answer.balls, ...(answer.exact ?? [0]));
  const top = SCALES.find((scale) => largest <= scale) ?? 100;
  const bar = (kind, p) => `<span class="bar ${kind}" style="height: ${fixed((100 * 100 * p) / top, 1)}%"></span>`;
  const columns = answer.balls.map((p, ball) => {
    const exact = answer.exact?.[ball];
    return `<li class="column"><span class="pair" aria-hidden="true">${answer.exact ? bar("exact", exact) : ""}${bar("network", p)}</span>`
      + ballMark(ball, seen.has(ball) ? " seen" : "")
      + (answer.exact ? `<span class="exact">${hush("exact")}${exact === 0 ? "0" : percent(exact)}</span>` : `<span class="exact">${hush("no exact answer")}–</span>`)
      + `<span class="network">${hush("network")}${percent(p)}</span></li>`;
  });
  return `<p class="scale">Probability in %. The dotted line is ${top} %.</p><ul class="columns">${columns.join("")}</ul>`;
}

function numbers(answer) {
  const none = "none";
  const rows = [
    ["Entropy, bits", "entropy", answer.exact ? fixed(answer.exactEntropy, 3) : none, fixed(answer.networkEntropy, 3)],
    ["KL(exact ‖ network), bits", "kl", "", answer.exact ? small(answer.kl) : none],
    ["Mass on impossible answers", "impossible", answer.exact ? "0" : none, answer.exact ? small(answer.impossible) : none],
  ];
  return rows.map(([label, name, exact, network]) =>
    `<tr><th scope="row">${label}</th><td class="exact" data-number="exact-${name}">${exact}</td>`
    + `<td class="network" data-number="network-${name}">${network}</td></tr>`).join("");
}

function chart(size, past) {
  const high = Math.ceil(Math.log2(size));
  const x = (k) => fixed(34 + (272 * (k - 1)) / Math.max(size - 1, 1), 1);
  const y = (bits) => fixed(126 - (104 * Math.min(bits, high)) / high, 1);
  const law = range(size).map((i) => Math.log2(size - i));
  const ks = range(size).map((i) => i + 1);
  const points = past.map((answer) => fixed(answer.networkEntropy, 3)).join(", ");
  return `<svg viewBox="0 0 320 172" role="img" aria-label="Entropy before each question. Exact: from ${fixed(law[0], 3)} bits at the first to 0 at the last. Network so far: ${points}.">`
    + range(high + 1).map((b) => `<path class="grid" d="M34 ${y(b)}H306"/><text x="26" y="${y(b)}" dy="4" text-anchor="end">${b}</text>`).join("")
    + ks.filter((k) => size <= 10 || k === 1 || k % 5 === 0).map((k) => `<text x="${x(k)}" y="146" text-anchor="middle">${k}</text>`).join("")
    + '<text x="170" y="166" text-anchor="middle">question k</text>'
    + '<text x="306" y="11" text-anchor="end">entropy, bits</text>'
    + `<path class="law" d="M${law.map((b, i) => `${x(i + 1)} ${y(b)}`).join(" ")}"/>`
    + law.map((b, i) => `<circle class="dot" cx="${x(i + 1)}" cy="${y(b)}" r="2.6"/>`).join("")
    // A diamond answers lawful evidence, a cross evidence that has no exact answer.
    + past.map((answer) => (answer.exact
      ? `<path class="diamond" d="M${x(answer.k)} ${y(answer.networkEntropy)}m0 -5l5 5l-5 5l-5 -5z"/>`
      : `<path class="cross" d="M${x(answer.k)} ${y(answer.networkEntropy)}m-4 -4l8 8m0 -8l-8 8"/>`)).join("")
    + "</svg>";
}
