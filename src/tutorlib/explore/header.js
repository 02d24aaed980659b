// Transformers that read a header of probabilities before the tokens, with learned distances for positions: what
// tutorlib/models/header.py, stack.py and DistanceBias in transformer.py compute. It needs transformer.js.

const SMALLEST = 2 ** -14, NEAR = 8; // as in header.py and DistanceBias

/** The number in the 16 bits of an IEEE half. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 0x1f, fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Turn what pack_filter() wrote into {config, tensors}: as readNetwork(), from numbers of 16 bits. */
function readFilter(packed) {
  const bytes = Uint8Array.from(atob(packed.weights), (character) => character.charCodeAt(0));
  const numbers = new DataView(bytes.buffer);
  const tensors = {};
  let at = 0;
  for (const [name, [rows, columns]] of packed.tensors) {
    tensors[name] = Array.from({ length: rows }, () =>
      Float64Array.from({ length: columns }, () => fromHalf(numbers.getUint16(2 * at++, true))));
  }
  if (2 * at !== bytes.length) throw new RangeError(`weights: expected ${2 * at} bytes, got ${bytes.length}`);
  return { config: packed.config, tensors };
}

/** Probabilities, then their logarithms. */
const logFeatures = (p) => Float64Array.from([...p, ...p.map((x) => Math.log(Math.max(x, SMALLEST)))]);

/** A header row or none has no distance: one number a head. Nearer tokens have a number each, all a slope. */
function distanceBias(tensors, layer, rows) {
  const [table, [slope], [header]] = ["table", "slope", "header"].map((part) => tensors[`blocks.${layer}.attention.distance.${part}`]);
  return (head, t, s) => (s < rows ? header[head] : table[head][Math.min(t - s, NEAR)] - slope[head] * (t - s));
}

/**
 * The network's belief over the states after each symbol, [time][states].
 *
 * header: [states][states + symbols], row i of T and then row i of E. tokens: symbols from 0.
 */
function beliefs(network, header, tokens) {
  const { config, tensors } = network, rows = header.length;
  if (tokens.length > config.context) throw new RangeError(`tokens: expected at most ${config.context}, got ${tokens.length}`);
  const embedding = tensors["embedding.weight"], place = tensors["rows.place.weight"];
  let X = header.map((row, i) => add(linear(tensors["rows.read.weight"], logFeatures(row)), place[i]));
  X = X.concat(tokens.map((token) => {
    const column = header.map((row) => row[config.columns + token]); // how likely each state makes this symbol
    return add(embedding[token], linear(tensors["reader.read.weight"], logFeatures(column)));
  }));
  for (let layer = 0; layer < config.layers; layer++) {
    const W = (name) => tensors[`blocks.${layer}.${name}.weight`];
    const { mixed } = attention(W, X.map(rmsNorm), config.heads, distanceBias(tensors, layer, rows));
    X = X.map((x, t) => add(x, mixed[t]));
    X = X.map((x) => add(x, feedForward(W, rmsNorm(x))));
  }
  const first = config.vocab - rows; // the states are the last tokens; what lies on symbols is not shown
  return X.slice(rows).map((x) => softmax(linear(embedding, x)).slice(first));
}
