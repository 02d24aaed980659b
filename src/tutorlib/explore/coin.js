// Two readers, one sequence of tosses. All sums are taken in logarithms to base 2, so that a thousand tosses fit.
const COINS = 11;
const SURE = Array.from({length: COINS}, (_, i) => [Math.log2((COINS - 1 - i) / (COINS - 1)), Math.log2(i / (COINS - 1))]);
const fixed = (x, digits) => x === Infinity ? "∞" : (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");

// log2 of a sum of powers of two; -Infinity if all of them are 0.
function logSum(logs) {
  const top = Math.max(...logs);
  return top === -Infinity ? top : top + Math.log2(logs.reduce((sum, x) => sum + 2 ** (x - top), 0));
}

// A belief, or null if nothing is left, and the bits paid after 0, 1, 2, ... tosses.
function update(weights, tosses) {
  const total = weights.reduce((sum, w) => sum + w, 0);
  const logs = weights.map(w => Math.log2(w / total)), paid = [0];
  if (total === 0) return {belief: null, paid: [0, ...tosses.map(() => Infinity)]};
  for (const toss of tosses) {
    logs.forEach((x, i) => { logs[i] = x + SURE[i][toss]; });
    paid.push(0 - logSum(logs));
  }
  const evidence = logSum(logs);
  return {belief: evidence === -Infinity ? null : logs.map(x => 2 ** (x - evidence)), paid};
}

// The most the prior can ever cost: for some coin of the bag, log2 of how much less it is believed.
function limit(bag, prior) {
  const share = weights => weights.map(w => w / weights.reduce((sum, x) => sum + x, 0));
  const right = share(bag), mine = share(prior);
  return Math.max(...right.map((p, i) => p > 0 ? (mine[i] > 0 ? Math.log2(p / mine[i]) : Infinity) : -Infinity));
}

const heads = belief => belief.reduce((sum, p, i) => sum + p * i / (COINS - 1), 0);

function sentence(tosses, mine, right, cost) {
  const count = tosses.length, n = tosses.reduce((sum, x) => sum + x, 0);
  const start = `${count} ${count === 1 ? "toss" : "tosses"}, ${n} heads. `;
  const other = `the reader who knows the bag says <b>${fixed(heads(right), 3)}</b>`;
  if (!mine) return `${start}No coin on your list can do this. You have no answer; ${other}. The cost is <b>∞</b> bits.`;
  return `${start}Heads next: you say <b>${fixed(heads(mine), 3)}</b>, ${other}. Your prior has cost <b>${fixed(cost, 2)}</b> bits so far.`;
}

function chart(costs, most) {
  const across = Math.max(20, Math.ceil((costs.length - 1) / 20) * 20), finite = costs.filter(Number.isFinite);
  const high = Math.max(1, Math.ceil(Math.max(...finite, Number.isFinite(most) ? most : 1)));
  const low = Math.min(0, Math.floor(Math.min(...finite)));
  const x = n => (40 + 266 * n / across).toFixed(1), y = bits => (18 + 108 * (high - bits) / (high - low)).toFixed(1);
  const marks = [...new Set([low, 0, high])].sort((a, b) => a - b).map(bits =>
    `<path class="grid" d="M40 ${y(bits)}H306"></path>` + (bits < 0 && 108 * -bits < 14 * (high - low) ? "" : `<text x="32" y="${y(bits)}" dy="4" text-anchor="end">${String(bits).replace("-", "−")}</text>`)).join("");
  const last = finite.length - 1;
  return marks + (Number.isFinite(most) ? `<path class="limit" d="M40 ${y(most)}H306"></path>` : "") +
    `<text x="40" y="146" text-anchor="middle">0</text><text x="306" y="146" text-anchor="middle">${across}</text>` +
    '<text x="173" y="160" text-anchor="middle">tosses</text><text x="306" y="11" text-anchor="end">cost of your prior, bits</text>' +
    `<path class="cost" d="M${finite.map((bits, n) => `${x(n)} ${y(bits)}`).join(" ")}"></path>` +
    `<circle class="now" cx="${x(last)}" cy="${y(finite[last])}" r="3.5"></circle>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), all = selector => [...root.querySelectorAll(selector)];
  let {bag, prior, coin} = data.first, tosses = [...data.first.tosses], shown = false;
  let crossed = Array(COINS).fill(false);
  let seed = 1;

  // mulberry32: a small generator, so that the first coins are the same on every page.
  function random() {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  function draw() {
    const bagWeights = data.bags[bag].weights, weights = data.priors[prior].weights.map((w, i) => crossed[i] ? 0 : w);
    const right = update(bagWeights, tosses), mine = update(weights, tosses);
    const costs = mine.paid.map((bits, n) => bits - right.paid[n]), most = limit(bagWeights, weights);
    const cost = costs[costs.length - 1], belief = mine.belief || Array(COINS).fill(0);
    const highest = 100 * Math.max(...right.belief, ...belief), top = data.scales.find(scale => highest <= scale + 1e-9);
    find(".top").textContent = top;
    all(".column").forEach((column, i) => {
      [["mine", belief[i]], ["right", right.belief[i]]].forEach(([who, p]) => {
        column.querySelector(`.bar.${who}`).setAttribute("style", `height: ${(100 * 100 * p / top).toFixed(1)}%`);
        column.querySelector(`:scope > .${who}`).lastChild.textContent = (100 * p).toFixed(0);
      });
      const button = column.querySelector("button");
      button.setAttribute("aria-pressed", crossed[i]);
      button.setAttribute("aria-label", `Cross out the coin ${(i / 10).toFixed(1)}`);
    });
    find(".sentence").innerHTML = sentence(tosses, mine.belief, right.belief, cost);
    const last = tosses.slice(-40).map(toss => "TH"[toss]).join(" ");
    find(".sequence").textContent = tosses.length > 40 ? "… " + last : last || "none yet";
    find(".sequence").dataset.tosses = tosses.join("");
    find(".secret").textContent = shown ? `The coin you toss shows heads with ${(coin / 10).toFixed(1)}.` : "";
    const numbers = {"paid-mine": mine.paid[tosses.length], "paid-right": right.paid[tosses.length], cost, limit: most};
    for (const cell of all("[data-number]")) cell.textContent = fixed(numbers[cell.dataset.number], 2);
    if (most === Infinity) find("[data-number=limit]").textContent = "no limit";
    find("svg").innerHTML = chart(costs, most);
    all("[data-toss], [data-hand]").forEach(button => { button.disabled = tosses.length >= data.most; });
    find("[data-do=show]").setAttribute("aria-pressed", shown);
    find("[data-choose=bag]").value = bag;
    find("[data-choose=prior]").value = prior;
  }

  function newCoin() {
    const weights = data.bags[bag].weights, total = weights.reduce((sum, w) => sum + w, 0);
    let at = random() * total;
    coin = weights.findIndex(w => (at -= w) < 0);
    tosses = [];
    shown = false;
  }

  root.addEventListener("change", event => {
    const {choose} = event.target.dataset, value = Number(event.target.value);
    if (choose === "bag") { bag = value; newCoin(); }
    if (choose === "prior") { prior = value; crossed = Array(COINS).fill(false); }
    if (choose) draw();
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const {toss, hand, coin: which} = button.dataset;
    for (let i = 0; i < Number(toss || 0) && tosses.length < data.most; i++) tosses.push(random() < coin / 10 ? 1 : 0);
    if (hand) tosses.push(Number(hand));
    if (which) crossed[which] = !crossed[which];
    if (button.dataset.do === "new") newCoin();
    if (button.dataset.do === "show") shown = !shown;
    draw();
  });
  draw();
}
