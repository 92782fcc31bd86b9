// Pesos y muestra de datos en la página: leerlos, comprobar su huella y volver a escribirlos.
//
// Los archivos los escribe `helpers.web_export`. Un archivo de pesos es un objeto con la descripción de la red, la lista de
// sus pesos en el orden de Keras (`model.get_weights()`) y sus valores, seguidos, en base64.
//
// Script clásico: se une a otros con `page_scripts()` o `worker_source()`; en Node se carga con `require`.

const WEIGHTS_FORMAT = "redes-convolucionales/pesos";
const SAMPLE_FORMAT = "redes-convolucionales/muestra";

function bytesFromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function base64FromBytes(bytes) {
  let binary = "";
  // A trozos: con un millón de argumentos, `fromCharCode` desborda la pila.
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary);
}

// SHA-256 (FIPS 180-4). `crypto.subtle` no existe en una página servida sin cifrar, como la de un aula, y por eso va aquí.
function sha256(bytes) {
  const rotate = (x, n) => (x >>> n) | (x << (32 - n));
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  const K = primes.map((p) => fraction(Math.cbrt(p)));
  const H = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));

  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);

  const w = new Int32Array(64);
  for (let start = 0; start < padded.length; start += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(start + 4 * i);
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15];
      const b = w[i - 2];
      const s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3);
      const s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let i = 0; i < 64; i++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [a, b, c, d, e, f, g, h] = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (H[i] = (H[i] + value) | 0));
  }
  return H.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

// Media precisión (IEEE 754 binary16): 1 bit de signo, 5 de exponente, 10 de mantisa.
function float32FromFloat16(halves) {
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const sign = halves[i] >> 15 ? -1 : 1;
    const exponent = (halves[i] >> 10) & 31;
    const mantissa = halves[i] & 1023;
    values[i] = sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24);
  }
  return values;
}

function fileError(message) {
  return Object.assign(new Error(message), { code: "file" });
}

function checkedBytes(file, format, label) {
  if (!file || file.format !== format || file.version !== 1 || typeof file.data !== "string")
    throw fileError(`«${label}» no es un archivo de este libro, o es de otra versión.`);
  let bytes = null;
  try {
    bytes = bytesFromBase64(file.data);
  } catch {
    // Cae en el aviso de abajo: a quien lee le da igual en qué paso se vio el daño.
  }
  if (!bytes || sha256(bytes) !== file.sha256)
    throw fileError(`«${label}» está dañado: su contenido no tiene la huella que anuncia. Descárgalo de nuevo.`);
  return bytes;
}

/**
 * Lee un archivo de pesos.
 * @param file objeto ya leído (de un script clásico o de `JSON.parse`).
 * @param label nombre del archivo, para los avisos.
 * @returns {{description, name, classNames, weights: {name, shape, values: Float32Array}[]}}
 */
function decodeWeights(file, label) {
  const bytes = checkedBytes(file, WEIGHTS_FORMAT, label);
  const values =
    file.dtype === "float16" ? float32FromFloat16(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
  let start = 0;
  const weights = file.weights.map(({ name, shape }) => {
    const size = shape.reduce((product, side) => product * side, 1);
    start += size;
    return { name, shape, values: values.subarray(start - size, start) };
  });
  if (start !== values.length)
    throw fileError(`«${label}» está dañado: anuncia ${start} pesos y trae ${values.length}. Descárgalo de nuevo.`);
  return { description: file.description, name: file.name, classNames: file.class_names ?? null, weights };
}

/**
 * Escribe pesos para abrirlos en Python con `helpers.web_export.load`, en float32 para que prediga lo mismo.
 * @param weights lista de {name, shape, values}, como la que da `Engine.getWeights()`.
 * @returns {string} texto JSON.
 */
function encodeWeights(description, weights, { name = "entrenada-en-la-pagina", classNames = null } = {}) {
  const flat = new Float32Array(weights.reduce((total, w) => total + w.values.length, 0));
  let start = 0;
  for (const { values } of weights) {
    flat.set(values, start);
    start += values.length;
  }
  const bytes = new Uint8Array(flat.buffer);
  return JSON.stringify({
    format: WEIGHTS_FORMAT,
    version: 1,
    name,
    description,
    class_names: classNames,
    dtype: "float32",
    weights: weights.map(({ name, shape }) => ({ name, shape })),
    sha256: sha256(bytes),
    data: base64FromBytes(bytes),
  });
}

/**
 * Lee la muestra de imágenes y la deja como la recibe la red.
 * @returns {{classNames, shape, parts: Object<string, {images: Uint8Array, labels: Uint8Array, count}>}}
 *   `images` va en orden (imagen, alto, ancho, canal), de 0 a 255.
 */
function decodeSample(file, label) {
  const bytes = checkedBytes(file, SAMPLE_FORMAT, label);
  const [height, width, channels] = file.stored_shape;
  const { border, repeat } = file;
  const shape = [height + 2 * border, width + 2 * border, channels * repeat];
  const parts = {};
  let start = 0;
  for (const { part, labels } of file.parts) {
    const count = labels.length;
    const images = new Uint8Array(count * shape[0] * shape[1] * shape[2]);
    for (let n = 0; n < count; n++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const to = ((n * shape[0] + y + border) * shape[1] + x + border) * shape[2];
          for (let c = 0; c < channels; c++, start++) images.fill(bytes[start], to + c * repeat, to + (c + 1) * repeat);
        }
    parts[part] = { images, labels: Uint8Array.from(labels, Number), count };
  }
  return { classNames: file.class_names, shape, parts };
}

if (typeof module === "object")
  module.exports = {
    base64FromBytes,
    bytesFromBase64,
    decodeSample,
    decodeWeights,
    encodeWeights,
    float32FromFloat16,
    sha256,
  };
