// Aumento a la vista: los siete parámetros de la tarea, once muestras redibujadas al momento y lo que le pasa a la etiqueta.
//
// Las frases, las imágenes y lo que se sabe de cada una llegan de `augmentation_preview.py` en `context.data`.

import { button, checkboxField, formatInteger, h, numberField, selectField, setText, sliderField, uniqueId } from "./base.js";

const SIDE = 32;
const SAMPLES = 11;
const DRAWS = 200;
const HALF = 0.5;
const MAXIMUM_SEED = 9999;
const IMAGES = ["botin", "bolso", "sueter", "gato", "seis", "flecha"];
const FILL_MODES = ["nearest", "constant", "reflect", "wrap"];
const FIELDS = ["rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"];
const DIAGONAL = 44; // lo más que puede moverse una esquina, en píxeles
const LIMITS = { rotation_range: 180, width_shift_range: 1, height_shift_range: 1, shear_range: 90, zoom_range: 1 };
const SHEARS = [0, 0.2, 0.5, 1, 2, 5, 10, 11.5, 15, 20, 30, 45];

// --- El azar: el mismo que en Python ---------------------------------------------------------------------------

function mix(number) {
  number = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  number = Math.imul(number ^ (number >>> 13), 0xc2b2ae35);
  return number ^ (number >>> 16);
}

/** Número de 0 (incluido) a 1 que toca a un parámetro de una muestra; siempre el mismo. */
export function unitDraw(seed, sample, place) {
  return (mix(mix(seed ^ 0x9e3779b9) + 7 * sample + place) >>> 0) / 2 ** 32;
}

/** Los parámetros de una muestra, uniformes e independientes, como los sortea Keras. */
export function drawParameters(state, sample) {
  const between = (place, low, high) => low + (high - low) * unitDraw(state.seed, sample, place);
  const around = (place, limit) => between(place, -limit, limit);
  const zoom = state.zoom_range;
  return {
    theta: around(0, state.rotation_range),
    tx: around(1, state.width_shift_range) * SIDE,
    ty: around(2, state.height_shift_range) * SIDE,
    shear: around(3, state.shear_range),
    zx: between(4, 1 - zoom, 1 + zoom),
    zy: between(5, 1 - zoom, 1 + zoom),
    flip: unitDraw(state.seed, sample, 6) < 0.5 && state.horizontal_flip,
  };
}

// --- La geometría: la de `affine_matrix` y `transform_images` --------------------------------------------------

/**
 * Las dos filas [a, b, c, d, e, f] que llevan (columna, fila) de la salida a la entrada: giro, desplazamiento,
 * cizallamiento y ampliación alrededor del centro, y volteo.
 */
export function affineMatrix({ theta, tx, ty, shear, zx, zy, flip }) {
  const [angle, slant] = [(theta * Math.PI) / 180, (shear * Math.PI) / 180];
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const center = (SIDE - 1) / 2;
  let a = cosine * zx;
  const b = (-cosine * Math.sin(slant) - sine * Math.cos(slant)) * zy;
  let d = sine * zx;
  const e = (-sine * Math.sin(slant) + cosine * Math.cos(slant)) * zy;
  let c = center + cosine * tx - sine * ty - (a + b) * center;
  let f = center + sine * tx + cosine * ty - (d + e) * center;
  if (flip) {
    c += a * (SIDE - 1);
    f += d * (SIDE - 1);
    a = -a;
    d = -d;
  }
  return [a, b, c, d, e, f];
}

const IDENTITY = affineMatrix({ theta: 0, tx: 0, ty: 0, shear: 0, zx: 1, zy: 1, flip: false });

const modulo = (value, period) => ((value % period) + period) % period;

const FOLD = {
  nearest: (value) => Math.min(Math.max(value, 0), SIDE - 1),
  constant: (value) => Math.min(Math.max(value, 0), SIDE - 1),
  reflect: (value) => {
    const place = modulo(value + 0.5, 2 * SIDE);
    return Math.min(place, 2 * SIDE - place) - 0.5;
  },
  wrap: (value) => (value >= 0 && value <= SIDE - 1 ? value : modulo(value, SIDE - 1)),
};

/** La imagen transformada, RGBA: cada píxel de la salida lee, con interpolación bilineal, el punto que dice la matriz. */
export function resample(image, [a, b, c, d, e, f], fillMode) {
  const { pixels, channels } = image;
  const fold = FOLD[fillMode];
  const output = new Uint8ClampedArray(4 * SIDE * SIDE); // redondea al guardar
  const last = SIDE - 1;
  for (let row = 0, at = 0; row < SIDE; row += 1) {
    for (let column = 0; column < SIDE; column += 1, at += 4) {
      const x = a * column + b * row + c;
      const y = d * column + e * row + f;
      output[at + 3] = 255;
      if (fillMode === "constant" && !(x >= 0 && x <= last && y >= 0 && y <= last)) continue;
      const [foldedX, foldedY] = [fold(x), fold(y)];
      const [left, top] = [Math.floor(foldedX), Math.floor(foldedY)];
      const [across, down] = [foldedX - left, foldedY - top];
      const [x0, x1] = [Math.min(Math.max(left, 0), last), Math.min(Math.max(left + 1, 0), last)];
      const [y0, y1] = [Math.min(Math.max(top, 0), last), Math.min(Math.max(top + 1, 0), last)];
      for (let channel = 0; channel < 3; channel += 1) {
        const read = (yy, xx) => pixels[channels * (SIDE * yy + xx) + (channels === 3 ? channel : 0)];
        const upper = read(y0, x0) * (1 - across) + read(y0, x1) * across;
        const lower = read(y1, x0) * (1 - across) + read(y1, x1) * across;
        output[at + channel] = upper * (1 - down) + lower * down;
      }
    }
  }
  return output;
}

const isInside = (x, y) => x >= -0.5 && x < SIDE - 0.5 && y >= -0.5 && y < SIDE - 0.5;

/** Parte del objeto que esa matriz deja fuera del cuadro. */
function lostPart(points, [a, b, c, d, e, f]) {
  const determinant = a * e - b * d;
  let inside = 0;
  for (const [column, row] of points) {
    const [dx, dy] = [column - c, row - f];
    if (isInside((e * dx - b * dy) / determinant, (a * dy - d * dx) / determinant)) inside += 1;
  }
  return 1 - inside / points.length;
}

function countInside([a, b, c, d, e, f]) {
  let inside = 0;
  for (let row = 0; row < SIDE; row += 1) {
    for (let column = 0; column < SIDE; column += 1) {
      if (isInside(a * column + b * row + c, d * column + e * row + f)) inside += 1;
    }
  }
  return inside;
}

/** Píxeles que se mueve la esquina con el máximo de cada parámetro, él solo. */
export function corners(state) {
  const still = { theta: 0, tx: 0, ty: 0, shear: 0, zx: 1, zy: 1, flip: false };
  const cases = {
    rotation_range: { theta: state.rotation_range },
    width_shift_range: { tx: state.width_shift_range * SIDE },
    height_shift_range: { ty: state.height_shift_range * SIDE },
    shear_range: { shear: state.shear_range },
    zoom_range: { zx: 1 + state.zoom_range, zy: 1 + state.zoom_range },
  };
  return Object.fromEntries(
    FIELDS.map((name) => {
      const [, , c, , , f] = affineMatrix({ ...still, ...cases[name] });
      return [name, Math.hypot(c, f)];
    }),
  );
}

// --- Las cuentas ------------------------------------------------------------------------------------------------

/** Sin ceros de sobra; los empates se redondean hacia arriba, igual que en Python. */
export function formatDecimal(number, decimals) {
  const scaled = Math.floor(number * 10 ** decimals + 0.5);
  const tail = String(scaled % 10 ** decimals).padStart(decimals, "0").replace(/0+$/, "");
  return formatInteger(Math.floor(scaled / 10 ** decimals)) + (decimals && tail ? "." + tail : "");
}

const say = (texts, name, values = {}) => texts[name].replace(/\{(\w+)\}/g, (_, key) => ({ draws: DRAWS, ...values })[key]);

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Las imágenes, con sus píxeles y los puntos de su objeto. */
export function readSubjects(data) {
  return Object.fromEntries(
    data.subjects.map((subject) => {
      const pixels = bytes(subject.pixels);
      const mask = bytes(subject.mask);
      const points = [];
      for (let place = 0; place < SIDE * SIDE; place += 1) {
        if (mask[place >> 3] & (128 >> (place & 7))) points.push([place % SIDE, Math.floor(place / SIDE)]);
      }
      return [subject.key, { ...subject, pixels, channels: pixels.length / SIDE ** 2, points }];
    }),
  );
}

function remarks(state, invented, texts) {
  const geometric = FIELDS.some((name) => state[name] > 0);
  if (!geometric && !state.horizontal_flip) return [texts.nothing];
  const { zoom_range: zoom, shear_range: shear } = state;
  const found = [];
  if (zoom >= 0.5) found.push(say(texts, "stretch", { ratio: formatDecimal((1 + zoom) / (1 - zoom), 1) }));
  if (shear > 0 && shear < 1) {
    found.push(
      say(texts, "shear", {
        value: formatDecimal(shear, 4),
        pixels: formatDecimal((SIDE - 1) * Math.sin((shear * Math.PI) / 180), 2),
        percent: formatDecimal(100 * shear, 1),
        layer: formatDecimal((SIDE - 1) * shear, 1),
      }),
    );
  }
  if (geometric && state.fill_mode === "wrap") found.push(texts.wrap);
  if (invented > 0) found.push(say(texts, "invented", { percent: formatDecimal(100 * invented, 0) }));
  return found;
}

/** Lo que les pasa a los 200 sorteos de la semilla: los mismos números que `report` de Python. */
export function report(state, subject, texts) {
  const parameters = Array.from({ length: DRAWS }, (_, sample) => drawParameters(state, sample));
  const matrices = parameters.map(affineMatrix);
  const lost = matrices.map((matrix) => lostPart(subject.points, matrix));
  const inside = matrices.reduce((sum, matrix) => sum + countInside(matrix), 0);
  const invented = 1 - inside / (DRAWS * SIDE * SIDE);
  const [limit, level, why] = subject.turn;
  const turned = parameters.map(({ theta }) => Math.abs(theta) > limit);
  const flipped = parameters.map(({ flip }) => Boolean(subject.flip) && flip);
  const reasons = parameters.map((_, sample) => {
    if (turned[sample] && level === "rompe") return "giro";
    if (flipped[sample]) return "volteo";
    return lost[sample] > HALF ? "fuera" : "";
  });
  const count = (list) => list.filter(Boolean).length;
  const notes = [];
  if (count(turned)) notes.push([level, say(texts, "turn", { count: count(turned), limit, why })]);
  if (count(flipped)) notes.push([subject.flip[0], say(texts, "flip", { count: count(flipped), why: subject.flip[1] })]);
  const gone = lost.filter((part) => part > HALF).length;
  if (gone) notes.push(["rompe", say(texts, "lost", { count: gone, of: subject.of })]);
  notes.push(...remarks(state, invented, texts).map((text) => ["ojo", text]));
  const serious = (wanted) => notes.filter(([found]) => (found === "rompe") === wanted);
  const broken = count(reasons);
  const verdict = say(texts, broken ? "fails" : "holds", { label: subject.label, count: broken });
  return { parameters, matrices, lost, reasons, invented, notes: [...serious(true), ...serious(false)], verdict, broken };
}

/** Lo que se lee debajo de una muestra. */
export function sampleCaption(found, sample, texts) {
  const lost = formatDecimal(100 * found.lost[sample], 0);
  const reason = found.reasons[sample];
  const outside = lost === "0" ? texts.whole : say(texts, "outside", { percent: lost });
  const degrees = formatDecimal(Math.abs(found.parameters[sample].theta), 0);
  const text = { giro: say(texts, "turned", { degrees }), volteo: texts.flipped }[reason] ?? outside;
  return reason ? `✗ ${text}` : text;
}

/** Lo que significa, en esta imagen, el valor de cada deslizador. */
export function meanings(state, texts) {
  const moved = corners(state);
  const radians = (state.shear_range * Math.PI) / 180;
  const values = {
    rotation_range: { value: formatDecimal(state.rotation_range, 4), factor: formatDecimal(state.rotation_range / 360, 4) },
    width_shift_range: { percent: formatDecimal(100 * state.width_shift_range, 2) },
    height_shift_range: { percent: formatDecimal(100 * state.height_shift_range, 2) },
    shear_range: { value: formatDecimal(state.shear_range, 4), factor: formatDecimal(Math.sin(radians), 4) },
    zoom_range: { low: formatDecimal(1 - state.zoom_range, 4), high: formatDecimal(1 + state.zoom_range, 4) },
  };
  return Object.fromEntries(
    FIELDS.map((name) => [
      name,
      { pixels: moved[name], unit: say(texts, name, values[name]), corner: say(texts, "corner", { pixels: formatDecimal(moved[name], 2) }) },
    ]),
  );
}

// --- El estado ---------------------------------------------------------------------------------------------------

export function normalize(state) {
  const { image, horizontal_flip, fill_mode, seed } = state ?? {};
  if (!IMAGES.includes(image) || !FILL_MODES.includes(fill_mode) || typeof horizontal_flip !== "boolean") return null;
  if (!Number.isInteger(seed) || seed < 0 || seed > MAXIMUM_SEED) return null;
  const numbers = {};
  for (const name of FIELDS) {
    const value = state[name];
    // Solo el giro llega a su límite.
    if (typeof value !== "number" || !(value >= 0 && (value < LIMITS[name] || (value === 180 && name === "rotation_range")))) return null;
    numbers[name] = value;
  }
  return { image, ...numbers, horizontal_flip, fill_mode, seed };
}

// La dirección: imagen_giro_ancho_alto_cizallamiento_ampliación_volteo_relleno_semilla.
export function toAddress(state) {
  return [state.image, ...FIELDS.map((name) => state[name]), Number(state.horizontal_flip), state.fill_mode, state.seed].join("_");
}

export function fromAddress(text) {
  const parts = text.split("_");
  if (parts.length !== FIELDS.length + 4 || parts.slice(1, 7).concat(parts[8]).some((part) => !/^\d+(\.\d+)?$/.test(part))) return null;
  const numbers = Object.fromEntries(FIELDS.map((name, index) => [name, Number(parts[index + 1])]));
  return { image: parts[0], ...numbers, horizontal_flip: parts[6] === "1", fill_mode: parts[7], seed: Number(parts[8]) };
}

// --- El código ---------------------------------------------------------------------------------------------------

const CODES = [
  ["generador", "ImageDataGenerator"],
  ["capas", "Capas de Keras"],
  ["libro", "Paquete de este libro"],
];

/** Código de Python con la misma configuración. */
export function pythonCode(state, kind) {
  const { rotation_range: turn, width_shift_range: width, height_shift_range: height, shear_range: shear, zoom_range: zoom } = state;
  const flip = state.horizontal_flip ? "True" : "False";
  const fill = `"${state.fill_mode}"`;
  if (kind === "capas") {
    const layers = [
      turn && `RandomRotation(${turn} / 360, **fill),  # vueltas`,
      (width || height) && `RandomTranslation(${height}, ${width}, **fill),  # alto, ancho`,
      shear && `RandomShear((0, np.sin(np.deg2rad(${shear}))), **fill),`,
      zoom && `RandomZoom(${zoom}, ${zoom}, **fill),  # alto, ancho`,
      state.horizontal_flip && `RandomFlip("horizontal"),`,
    ].filter(Boolean);
    const body = (layers.length ? layers : ["Identity(),"]).map((layer) => `    keras.layers.${layer}\n`).join("");
    const head = `import keras\n${layers.some((layer) => layer.includes("np.")) ? "import numpy as np\n" : ""}`;
    const shared = layers.some((layer) => layer.includes("**fill")) ? `fill = {"fill_mode": ${fill}}\n` : "";
    return `${head}\n${shared}augment = keras.Sequential([\n${body}])`;
  }
  const lines = [
    `rotation_range=${turn},  # grados`,
    `width_shift_range=${width},  # fracción del ancho`,
    `height_shift_range=${height},  # fracción del alto`,
    `shear_range=${shear},  # grados`,
    `zoom_range=${zoom},  # factores de 1 − z a 1 + z`,
    `horizontal_flip=${flip},`,
    `fill_mode=${fill},`,
  ];
  const body = (all) => all.map((line) => `    ${line}\n`).join("");
  if (kind === "libro") {
    const names = "AugmentationConfig, to_keras_layers";
    return `from helpers.augmentation import ${names}\n\nconfig = AugmentationConfig(\n${body(lines)})\naugment = to_keras_layers(config, seed=0)`;
  }
  const crossed = width === height ? "" : "# Ojo: este generador cruza los ejes; lo que pides a lo ancho mueve a lo alto.\n";
  return (
    "from tensorflow.keras.preprocessing.image import ImageDataGenerator\n\n" +
    `${crossed}datagen = ImageDataGenerator(\n${body([...lines, "rescale=1 / 255,  # si la red espera valores de 0 a 1"])})`
  );
}

// --- La interfaz -------------------------------------------------------------------------------------------------

let lastFound = { key: null };
let subjects = null;
let phrases = null;

/** Lo mismo que `report`, sin repetir la cuenta si nada ha cambiado. */
function calculate(state) {
  const key = JSON.stringify(state);
  if (lastFound.key !== key) lastFound = { key, found: report(state, subjects[state.image], phrases) };
  return lastFound.found;
}

export function describe(state) {
  return subjects ? `Semilla ${state.seed}. ${calculate(state).verdict}` : "";
}

const number = (value) => formatDecimal(Math.abs(value), 2);
const signed = (value) => (value < 0 && number(value) !== "0" ? "−" : "") + number(value);

/** Los parámetros de una muestra, con los nombres de `AffineParameters`. */
export function parameterText({ theta, tx, ty, shear, zx, zy, flip }) {
  const text = `theta ${signed(theta)}°, tx ${signed(tx)}, ty ${signed(ty)}, shear ${signed(shear)}°, zx ${number(zx)}, zy ${number(zy)}`;
  return text + (flip ? ", reflejada" : "");
}

function mount(context) {
  const texts = context.data.texts;
  [subjects, phrases] = [readSubjects(context.data), texts];
  const change = (values, message) => context.update({ ...context.state, ...values }, message);
  const start = context.state;

  // Los campos.
  const imageField = selectField({
    label: "Imagen",
    value: start.image,
    options: IMAGES.map((key) => [key, subjects[key].name]),
    onInput: (image) => change({ image }, `${subjects[image].name}.`),
  });
  imageField.element.classList.add("ap-image");
  const fillField = selectField({
    label: "fill_mode (relleno)",
    value: start.fill_mode,
    options: FILL_MODES.map((mode) => [mode, mode]),
    onInput: (fill_mode) => change({ fill_mode }),
  });
  const flipField = checkboxField({
    label: "horizontal_flip (volteo)",
    value: start.horizontal_flip,
    onInput: (horizontal_flip) => change({ horizontal_flip }),
  });
  const seedField = numberField({ label: "Semilla", value: start.seed, min: 0, max: MAXIMUM_SEED, onInput: (seed) => change({ seed }) });
  const again = button({
    text: "Otro sorteo",
    kind: "principal",
    onClick: () => change({ seed: (context.state.seed + 1) % (MAXIMUM_SEED + 1) }, "Otro sorteo."),
  });
  const slider = (name, label, limits, format) => {
    const field = sliderField({ label, value: start[name], format, onInput: (value) => change({ [name]: value }), ...limits });
    const bar = h("span", { class: "ap-bar" });
    const unit = h("span", {});
    const corner = h("span", { class: "ap-corner" });
    const id = uniqueId("unidad");
    field.input.setAttribute("aria-describedby", id);
    const hint = h("p", { class: "ap-unit", id }, unit, h("span", { class: "ap-track", "aria-hidden": "true" }, bar), corner);
    return { ...field, name, limits, bar, unit, corner, element: h("div", { class: "ap-slider" }, field.element, hint) };
  };
  const degrees = (value) => `${formatDecimal(value, 4)}°`;
  const plain = (value) => formatDecimal(value, 4);
  const sliders = [
    slider("rotation_range", "rotation_range (giro)", { min: 0, max: 180, step: 5 }, degrees),
    slider("width_shift_range", "width_shift_range (ancho)", { min: 0, max: 0.9, step: 0.05 }, plain),
    slider("height_shift_range", "height_shift_range (alto)", { min: 0, max: 0.9, step: 0.05 }, plain),
    slider("shear_range", "shear_range (cizallamiento)", { values: SHEARS }, degrees),
    slider("zoom_range", "zoom_range (ampliación)", { min: 0, max: 0.9, step: 0.05 }, plain),
  ];

  // La original y las muestras.
  const cells = Array.from({ length: SAMPLES + 1 }, () => {
    const canvas = h("canvas", { class: "ap-canvas", role: "img", width: SIDE, height: SIDE });
    const caption = h("p", { class: "ap-caption", "aria-hidden": "true" });
    return { canvas, painter: canvas.getContext("2d", { willReadFrequently: true }), caption, element: h("div", { class: "ap-cell" }, canvas, caption) };
  });
  const verdict = h("p", { class: "ap-verdict" });
  const notes = h("ul", { class: "ap-notes" });
  const list = h("ol", { class: "ap-list" });
  const items = Array.from({ length: SAMPLES }, () => h("li", {}));
  list.append(...items);

  // El código.
  let kind = CODES[0][0];
  const code = h("code", {});
  const kindField = selectField({
    label: "Código para",
    value: kind,
    options: CODES,
    onInput: (next) => {
      kind = next;
      setText(code, pythonCode(context.state, kind));
    },
  });
  const copyButton = button({
    text: "Copiar código",
    onClick: () => context.copy(code.textContent, "Código copiado.", "No se pudo copiar: selecciona el código y cópialo tú."),
  });

  context.body.append(
    h("div", { class: "ap-setup" }, imageField.element, seedField.element, again),
    h(
      "div",
      { class: "ap-main" },
      h("div", { class: "ap-fields" }, ...sliders.map((field) => field.element), h("div", { class: "ap-pair" }, flipField.element, fillField.element)),
      h("div", { class: "ap-look" }, h("div", { class: "ap-grid" }, ...cells.map((cell) => cell.element)), verdict),
      notes,
    ),
    h(
      "details",
      { class: "ap-details" },
      h("summary", {}, "Los números de cada muestra"),
      h(
        "p",
        { class: "ap-small" },
        "Con los nombres de Keras: un tx positivo mueve el contenido a la izquierda y un ty positivo, hacia arriba; un factor mayor que 1 aleja. «Fuera» es la parte del objeto que se sale del cuadro; si pasa de la mitad, damos la etiqueta por perdida.",
      ),
      list,
    ),
    h("div", { class: "ap-code" }, h("div", { class: "ap-setup" }, kindField.element, copyButton), h("pre", { tabindex: 0, role: "group", "aria-label": "Código de Python" }, code)),
  );

  function paint(cell, image, matrix, fillMode, text, label) {
    cell.painter.putImageData(new ImageData(resample(image, matrix, fillMode), SIDE, SIDE), 0, 0);
    cell.canvas.setAttribute("aria-label", label);
    setText(cell.caption, text);
    cell.element.classList.toggle("ap-broken", text.startsWith("✗"));
  }

  function render(state) {
    const found = calculate(state);
    const subject = subjects[state.image];
    imageField.set(state.image);
    fillField.set(state.fill_mode);
    flipField.set(state.horizontal_flip);
    seedField.set(state.seed);
    const meaning = meanings(state, texts);
    for (const field of sliders) {
      field.set(state[field.name]);
      const { values } = field.limits;
      // Un valor que no está en la lista (llega de Python o de un enlace) se deja en el más cercano.
      if (values) field.input.value = values.reduce((best, value, index) => (Math.abs(value - state[field.name]) < Math.abs(values[best] - state[field.name]) ? index : best), 0);
      const { pixels, unit, corner } = meaning[field.name];
      setText(field.unit, unit);
      setText(field.corner, corner);
      field.bar.style.width = `${Math.min(100, (100 * pixels) / DIAGONAL)}%`;
    }
    paint(cells[0], subject, IDENTITY, state.fill_mode, texts.original, `Imagen original: ${subject.name}`);
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const text = sampleCaption(found, sample, texts);
      const values = parameterText(found.parameters[sample]);
      paint(cells[sample + 1], subject, found.matrices[sample], state.fill_mode, text, `Muestra ${sample + 1}, ${text.replace("✗", "ya no vale:")}`);
      const lost = say(texts, "outside", { percent: formatDecimal(100 * found.lost[sample], 0) });
      setText(items[sample], `${values}; ${lost}`);
    }
    setText(verdict, (found.broken ? "✗ " : "✓ ") + found.verdict);
    verdict.classList.toggle("ap-fails", found.broken > 0);
    const written = found.notes.map(([level, text]) => `${level === "rompe" ? "Rompe la etiqueta" : "Ojo"}: ${text}`);
    while (notes.children.length > written.length) notes.lastChild.remove();
    while (notes.children.length < written.length) notes.append(h("li", {}));
    written.forEach((text, index) => {
      setText(notes.children[index], text);
      notes.children[index].className = found.notes[index][0] === "rompe" ? "ap-breaks" : "ap-care";
    });
    setText(code, pythonCode(state, kind));
  }

  return { render };
}

const css = `
.control .ap-setup { display: flex; flex-wrap: wrap; gap: 0.6rem 0.8rem; align-items: end; margin-bottom: 0.8rem; }
.control .ap-setup .c-select { flex: 1 1 12rem; max-width: 18rem; }
.control .ap-setup .c-number { flex: 0 1 7rem; }
.control .ap-setup:has(.c-error:not([hidden])) { align-items: start; }
.control .ap-main { display: grid; grid-template-columns: minmax(0, 15.5rem) minmax(0, 1fr); grid-template-rows: auto 1fr; gap: 0.5rem 1.2rem; }
.control .ap-fields { grid-row: 1 / 3; display: grid; gap: 0.6rem; align-content: start; }
.control .ap-unit { display: grid; color: var(--c-muted); font-size: 0.85rem; line-height: 1.3; }
.control .ap-track { height: 5px; margin: 0.2rem 0; border-radius: 3px; background: var(--c-raised); outline: 1px solid var(--c-border); overflow: hidden; }
.control .ap-bar { display: block; height: 100%; min-width: 1px; background: var(--c-accent); }
.control .ap-corner { color: var(--c-text); }
.control .ap-pair { display: grid; gap: 0.4rem; }
.control .ap-grid { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.4rem; }
.control .ap-cell { min-width: 0; }
.control .ap-canvas { display: block; width: 100%; height: auto; aspect-ratio: 1; image-rendering: pixelated; outline: 1px solid var(--c-edge); }
.control .ap-caption { min-height: 1.3em; margin: 0.15rem 0 0; color: var(--c-text); font-size: 0.82rem; font-weight: 400; line-height: 1.3; text-align: center; }
.control .ap-broken .ap-canvas { outline: 3px solid var(--c-error); }
.control .ap-broken .ap-caption { color: var(--c-error); }
.control .ap-cell:first-child .ap-caption { font-weight: 600; }
.control .ap-verdict { margin-top: 0.8rem; padding: 0.4rem 0.7rem; border-left: 0.25rem solid var(--c-accent); background: var(--c-accent-soft); font-weight: 600; }
.control .ap-fails { border-color: var(--c-error); background: var(--c-error-soft); }
.control .ap-notes { margin: 0; padding: 0; list-style: none; font-size: 0.95rem; }
.control .ap-notes li { margin: 0.25rem 0; padding-left: 0.7rem; border-left: 0.25rem solid var(--c-border); }
.control .ap-notes .ap-breaks { border-color: var(--c-error); color: var(--c-error); }
.control .ap-details { margin: 0.8rem 0; }
.control .ap-details summary { min-height: 2rem; cursor: pointer; font-weight: 600; }
.control .ap-list { margin: 0.4rem 0 0; padding-left: 2rem; font-size: 0.9rem; }
.control .ap-small { margin: 0.2rem 0; color: var(--c-muted); font-size: 0.9rem; }
.control .ap-code .ap-setup { justify-content: space-between; margin-bottom: 0.4rem; }
@media (pointer: coarse), (max-width: 40rem) {
  .control .ap-details summary { min-height: 44px; padding-block: 0.6rem; }
}
@container (min-width: 48rem) {
  .control .ap-main { grid-template-columns: minmax(0, 18rem) minmax(0, 1fr); }
}
@container (max-width: 37rem) {
  .control .ap-setup .ap-image { flex-basis: 100%; max-width: none; }
  .control .ap-main { grid-template-columns: minmax(0, 1fr); grid-template-rows: none; row-gap: 0.9rem; }
  .control .ap-fields { grid-row: auto; }
  .control .ap-look { order: -1; }
  .control .ap-grid { gap: 0.3rem 0.4rem; }
}
@container (max-width: 24rem) {
  .control .ap-caption { font-size: 0.78rem; }
}
`;

export default {
  title: "Aumento a la vista",
  css,
  normalize,
  describe,
  toAddress,
  fromAddress,
  mount,
  report,
  readSubjects,
  resample,
  meanings,
  sampleCaption,
  parameterText,
  pythonCode,
  images: IMAGES,
  fillModes: FILL_MODES,
};
