// The switchboard: a small transformer on the bijection tunnel, with parts of it switched off. switches.py draws the
// first state alike. A part that is off gives zero, or its mean over other sequences at that position.
const LOW = -4, HIGH = 2; // powers of ten of the axis, bits
const LEFT = 46, TOP = 14, WIDE = 300, TALL = 180;

const mean = (numbers) => numbers.reduce((total, number) => total + number, 0) / numbers.length;
const bits = (x) => (x < 0.00005 ? "&lt;0.0001" : x.toFixed(x < 0.1 ? 4 : 2));
const uniform = (symbols) => Array.from({ length: symbols }, (_, k) => Math.log2(symbols / (symbols - k)));

const partName = (site) => {
  const part = site.split(".")[1];
  return part === "feed_forward" ? "feed-forward" : part.replace("head", "head ");
};
const fullName = (site) => `${partName(site)} of layer ${site.split(".")[0].slice(5)}`;

/** The edits for logitsAfter: what is off gives zero or its mean. */
function editsOf(off, kind, means) {
  const edits = {};
  for (const site of off) {
    edits[site] = (vector, position) => (kind === "zero" ? vector.map(() => 0) : Float64Array.from(means[site][position]));
  }
  return edits;
}

/** Mean KL(exact || network) in bits at each question. tokens: key, value, key, ..., key. */
function divergences(network, tokens, edits) {
  const { config, tensors } = network, symbols = config.vocab / 2;
  const each = tokens.map((sequence) => {
    const record = {};
    logitsAfter(network, sequence, record, edits);
    const shown = new Set();
    return record.stream.filter((_, t) => t % 2 === 0).map((x, k) => {
      if (k > 0) shown.add(sequence[2 * k - 1]);
      const logits = linear(tensors["embedding.weight"], rmsNorm(x)); // the head is the embedding
      const top = Math.max(...logits);
      const log = top + Math.log(logits.reduce((total, logit) => total + Math.exp(logit - top), 0));
      const left = [];
      for (let value = symbols; value < 2 * symbols; value++) if (!shown.has(value)) left.push(value);
      // The exact answer is 1/n for each of the n values left.
      return mean(left.map((value) => Math.log2(1 / left.length) - (logits[value] - log) / Math.LN2));
    });
  });
  return each[0].map((_, k) => mean(each.map((values) => values[k])));
}

const x = (k, symbols) => (LEFT + (WIDE * (k + 0.5)) / symbols).toFixed(1);
function y(value) {
  const power = Math.min(Math.max(Math.log10(Math.max(value, 1e-9)), LOW), HIGH);
  return (TOP + (TALL * (HIGH - power)) / (HIGH - LOW)).toFixed(1);
}

function marks(intact, now) {
  const size = intact.length;
  const rings = intact.map((v, k) => `<circle class="ring" cx="${x(k, size)}" cy="${y(v)}" r="7"></circle>`).join("");
  const line = now.map((v, k) => `${x(k, size)} ${y(v)}`).join(" ");
  const dots = now.map((v, k) => `<circle class="dot" cx="${x(k, size)}" cy="${y(v)}" r="4"></circle>`).join("");
  return `${rings}<path class="line" d="M${line}"></path>${dots}`;
}

const row = (name, values) =>
  `<tr><th scope="row">${name}</th>${values.map((v) => `<td>${bits(v)}</td>`).join("")}<td><b>${bits(mean(values))}</b></td></tr>`;
const rows = (intact, now) =>
  row("all on", intact) + row("as switched", now) + row("always uniform", uniform(intact.length));

function sentence(off, kind, intact, now) {
  const blind = mean(uniform(intact.length));
  if (!off.length) {
    return `Everything is on: mean KL ${bits(mean(intact))} bits. An observer who always answers uniformly has ${bits(blind)}.`;
  }
  const what = off.map(fullName).join(", "), times = mean(now) / mean(intact);
  const factor = times < 1.005 ? "no more than" : `${times < 10 ? times.toFixed(1) : Math.round(times)} times`;
  const beside = mean(now) > blind ? "Always answering uniformly would be nearer" : "Always answering uniformly is further off";
  return `Off, with ${kind === "zero" ? "zero" : "its mean"} in place: ${what}. Mean KL ${bits(mean(now))} bits, ${factor} the ${bits(mean(intact))} with everything on. ${beside} (${bits(blind)}).`;
}

function mount(root, data) {
  const find = (selector) => root.querySelector(selector), all = (selector) => [...root.querySelectorAll(selector)];
  const networks = data.networks.map(({ network, means }) => ({ network: readNetwork(network), means }));
  const intact = new Map(); // by network, computed when it is first chosen
  const off = new Set();
  const chosen = find('[data-part="network"]'), kind = find('[data-part="kind"]');

  function draw() {
    const which = Number(chosen.value), { network, means } = networks[which];
    if (!intact.has(which)) intact.set(which, divergences(network, data.tokens, {}));
    const whole = intact.get(which), list = data.sites.filter((site) => off.has(site));
    const now = list.length ? divergences(network, data.tokens, editsOf(list, kind.value, means)) : whole;
    find(".marks").innerHTML = marks(whole, now);
    find("tbody").innerHTML = rows(whole, now);
    find(".result").innerHTML = sentence(list, kind.value, whole, now);
    for (const button of all("[data-site]")) {
      const on = !off.has(button.dataset.site);
      button.setAttribute("aria-pressed", on);
      button.querySelector(".state").textContent = on ? "on" : "off";
    }
  }

  root.addEventListener("change", draw);
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { site } = button.dataset, what = button.dataset.do;
    if (site) off.has(site) ? off.delete(site) : off.add(site);
    if (what) off.clear();
    const top = data.sites[data.sites.length - 1].split(".")[0];
    for (const each of data.sites) {
      if (what === "attention" && each.startsWith(`${top}.head`)) off.add(each);
      if (what === "updates" && each.endsWith("feed_forward")) off.add(each);
    }
    draw();
  });
  // A browser that comes back to the page may have kept the choices.
  chosen.value = "0";
  kind.value = "zero";
  draw();
}
