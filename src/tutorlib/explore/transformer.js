// The forward pass of tutorlib/models/transformer.py in plain JavaScript: the same formulas, no library.
//
// A vector is a Float64Array and a matrix an array of rows. Sums are in double precision, so the result is
// closer to the exact one than single-precision torch is; a test holds it to torch in double precision.

/** Turn what pack_weights() wrote into {config, tensors}: each tensor an array of rows. */
function readNetwork(packed) {
  const bytes = Uint8Array.from(atob(packed.weights), (character) => character.charCodeAt(0));
  const numbers = new DataView(bytes.buffer);
  const tensors = {};
  let at = 0;
  for (const [name, [rows, columns]] of packed.tensors) {
    tensors[name] = Array.from({ length: rows }, () =>
      // "true" asks for little-endian, whatever this machine is.
      Float64Array.from({ length: columns }, () => numbers.getFloat32(4 * at++, true)));
  }
  if (4 * at !== bytes.length) throw new RangeError(`weights: expected ${4 * at} bytes, got ${bytes.length}`);
  return { config: packed.config, tensors };
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const add = (a, b) => a.map((value, i) => value + b[i]);

/** W x, for a weight matrix W of shape [out, in], as torch.nn.Linear keeps it. */
const linear = (W, x) => Float64Array.from(W, (row) => dot(row, x));

/** x over its root mean square; 1e-6 keeps a zero vector finite. */
function rmsNorm(x) {
  const scale = 1 / Math.sqrt(dot(x, x) / x.length + 1e-6);
  return x.map((value) => value * scale);
}

/** Probabilities from logits. Subtracting the largest changes nothing but keeps exp from overflowing. */
function softmax(logits) {
  const largest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The vectors of a site, one a position, after its edit, a function of (vector, position); as they are if it has none. */
const edited = (edits, site, vectors) => (edits[site] ? vectors.map(edits[site]) : vectors);

/**
 * Causal attention of all heads at all positions.
 *
 * X: [time][width], already normalised. bias(head, t, s), if given, is added to the score of the query at t for the
 * key at s. edits: see logitsAfter; layer: the name of this one in them. Returns mixed [time][width] and weights
 * [head][query][key]; a weight at a key after its query is 0.
 */
function attention(W, X, heads, bias = () => 0, edits = {}, layer = "") {
  const Q = X.map((x) => linear(W("attention.query"), x));
  const K = X.map((x) => linear(W("attention.key"), x));
  const V = X.map((x) => linear(W("attention.value"), x));
  const width = X[0].length;
  const size = width / heads; // of one head
  const mixed = X.map(() => new Float64Array(width));
  const weights = [];
  for (let head = 0; head < heads; head++) {
    const part = (vector) => vector.subarray(head * size, (head + 1) * size);
    weights.push(Q.map((query, t) => {
      const seen = K.slice(0, t + 1); // a position never looks ahead
      const scores = seen.map((key, s) => dot(part(query), part(key)) / Math.sqrt(size) + bias(head, t, s));
      const row = softmax(scores);
      row.forEach((weight, s) => part(V[s]).forEach((value, i) => { mixed[t][head * size + i] += weight * value; }));
      return [...row, ...new Array(X.length - row.length).fill(0)];
    }));
    edited(edits, `${layer}.head${head}`, mixed.map(part)).forEach((vector, t) => part(mixed[t]).set(vector));
  }
  return { mixed: mixed.map((m) => linear(W("attention.output"), m)), weights };
}

/** down(relu(up(x))^2) */
function feedForward(W, x) {
  const hidden = Float64Array.from(linear(W("feed_forward.up"), x), (value) => Math.max(value, 0) ** 2);
  return linear(W("feed_forward.down"), hidden);
}

/**
 * Logits for the token that follows the last one.
 *
 * tokens: ids, at most config.context of them. record: if an object is given, record["layer0.attention"] and so
 * on receive the attention weights [head][query][key], and record.stream the residual stream before the head.
 * edits: for sites named as in tutorlib/interventions/sites.py ("layer0.head1", "layer0.attention",
 * "layer0.feed_forward") a function of (vector, position) that gives what is put in place of the vector.
 */
function logitsAfter(network, tokens, record = null, edits = {}) {
  const { config, tensors } = network;
  if (tokens.length < 1 || tokens.length > config.context) {
    throw new RangeError(`tokens: expected 1 to ${config.context} of them, got ${tokens.length}`);
  }
  const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= config.vocab);
  if (wrong !== undefined) throw new RangeError(`tokens: expected ids 0 to ${config.vocab - 1}, got ${wrong}`);
  const E = tensors["embedding.weight"];
  let X = tokens.map((token) => E[token]);
  if (config.positions === "learned") X = X.map((x, t) => add(x, tensors["position.weight"][t]));
  X = X.map(rmsNorm);
  for (let layer = 0; layer < config.layers; layer++) {
    const W = (name) => tensors[`blocks.${layer}.${name}.weight`];
    const { mixed, weights } = attention(W, X.map(rmsNorm), config.heads, undefined, edits, `layer${layer}`);
    if (record) record[`layer${layer}.attention`] = weights;
    const moved = edited(edits, `layer${layer}.attention`, mixed);
    X = X.map((x, t) => add(x, moved[t]));
    const update = edited(edits, `layer${layer}.feed_forward`, X.map((x) => feedForward(W, rmsNorm(x))));
    X = X.map((x, t) => add(x, update[t]));
  }
  if (record) record.stream = X;
  return linear(E, rmsNorm(X[X.length - 1])); // the head is the embedding
}
