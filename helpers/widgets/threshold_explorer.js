// El umbral y las métricas: predicciones registradas, un umbral que se mueve, y lo que mueve y lo que no.

import { checkboxField, formatInteger, formatNumber, h, lineChart, pixelCanvas, selectField, setText, sliderField } from "./base.js";

const CLASSES = 10;
const SIDE = 28;
const GREY_STEP = 17; // cada píxel viaja como una cifra hexadecimal: 16 grises
const LOW = 0.01;
const HIGH = 0.99;
const SHOWN = 12; // imágenes sin clase que se enseñan a la vez
const THRESHOLDS = Array.from({ length: 99 }, (_, index) => (index + 1) / 100);

// --- Los datos ---------------------------------------------------------------------------------------------------

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Un número de 16 bits en coma flotante, del patrón de sus bits. */
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024);
}

/** De los textos de `data` a números: probabilidades por filas, etiquetas, clase más probable e imágenes. */
export function decode(data) {
  const bytes = bytesOf(data.probabilities);
  const probabilities = Float64Array.from({ length: bytes.length / 2 }, (_, cell) => half(bytes[2 * cell] | (bytes[2 * cell + 1] << 8)));
  const labels = Uint8Array.from(data.labels, Number);
  const best = labels.map((_, image) => {
    const row = probabilities.subarray(CLASSES * image, CLASSES * (image + 1));
    return row.indexOf(Math.max(...row));
  });
  const pixels = Uint8Array.from(data.pictures, (digit) => GREY_STEP * parseInt(digit, 16));
  // De la que más cerca estuvo de tener clase a la que menos.
  const pictures = data.indices
    .map((image, place) => ({
      image,
      confidence: probabilities[CLASSES * image + best[image]],
      pixels: pixels.subarray(SIDE * SIDE * place, SIDE * SIDE * (place + 1)),
    }))
    .sort((one, other) => other.confidence - one.confidence || one.image - other.image);
  return { probabilities, labels, best, pictures, classes: data.classes };
}

let sample = null; // los datos son de la página y los comparten todos sus controles; `describe` también los necesita

// --- La cuenta, con enteros (la misma que `threshold_explorer.py`) --------------------------------------------------

/** Los recuentos de un estado y sus cocientes. Como en Keras, se dice toda casilla mayor que el umbral. */
export function compute(state, { probabilities, labels, best } = sample) {
  const n = labels.length;
  const row = Array(CLASSES).fill(0);
  const counts = { n, right: 0, said: 0, hits: 0, none: 0, several: 0, row, rowNone: 0, rowTotal: 0, column: 0 };
  for (let image = 0; image < n; image += 1) {
    const mine = labels[image] === state.label;
    let here = 0;
    for (let place = 0; place < CLASSES; place += 1) {
      const said = state.argmax ? best[image] === place : probabilities[CLASSES * image + place] > state.threshold;
      if (!said) continue;
      here += 1;
      if (place === labels[image]) counts.hits += 1;
      if (mine) row[place] += 1;
      if (place === state.label) counts.column += 1;
    }
    counts.said += here;
    if (best[image] === labels[image]) counts.right += 1;
    if (here === 0) counts.none += 1;
    if (here > 1) counts.several += 1;
    if (mine) counts.rowTotal += 1;
    if (mine && here === 0) counts.rowNone += 1;
  }
  return {
    ...counts,
    accuracy: counts.right / n,
    precision: counts.said ? counts.hits / counts.said : 0,
    recall: counts.hits / n,
    f1: (2 * counts.hits) / (n + counts.said),
  };
}

// --- El estado -----------------------------------------------------------------------------------------------------

export function normalize(state) {
  const { threshold, argmax, label } = state ?? {};
  if (typeof threshold !== "number" || !(threshold >= LOW && threshold <= HIGH)) return null;
  if (typeof argmax !== "boolean" || !Number.isInteger(label) || label < 0 || label >= CLASSES) return null;
  return { threshold: Math.floor(100 * threshold + 0.5) / 100, argmax, label };
}

export function toAddress({ threshold, argmax, label }) {
  return [Math.round(100 * threshold), Number(argmax), label].join(".");
}

export function fromAddress(text) {
  const [hundredths, argmax, label] = text.split(".").map(Number);
  return { threshold: hundredths / 100, argmax: argmax === 1, label };
}

const rule = (state) => (state.argmax ? "la clase más probable" : `umbral ${state.threshold.toFixed(2)}`);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const three = (value) => formatNumber(value, 3);

export function describe(state) {
  const counts = compute(state);
  const name = sample.classes[state.label];
  return (
    `${capital(rule(state))}: exactitud ${three(counts.accuracy)}, precisión ${three(counts.precision)}, ` +
    `exhaustividad ${three(counts.recall)}, F1 ${three(counts.f1)}. Imágenes sin clase: ${formatInteger(counts.none)}. ` +
    `De ${counts.rowTotal} de ${name}, dice ${name} en ${counts.row[state.label]}.`
  );
}

/** Lo que hay que ver con este umbral, en una frase. */
function lesson(state, counts) {
  if (state.argmax) {
    return "Una respuesta por imagen: cada fallo es un falso positivo y también un falso negativo, así que las cuatro son iguales.";
  }
  if (state.threshold >= 0.5) {
    return `Con 0.5 o más, la exhaustividad (${three(counts.recall)}) no puede pasar de la exactitud (${three(counts.accuracy)}).`;
  }
  const many = counts.several === 1 ? "1 imagen recibe" : `${formatInteger(counts.several)} imágenes reciben`;
  return `Por debajo de 0.5 caben varias clases en una imagen: ${many} más de una, y la exhaustividad sí puede pasar de la exactitud.`;
}

// --- La interfaz -----------------------------------------------------------------------------------------------------

const METRICS = [
  ["accuracy", "Exactitud"],
  ["precision", "Precisión micro"],
  ["recall", "Exhaustividad micro"],
  ["f1", "F1 micro"],
];

function mount(context) {
  sample ??= decode(context.data);
  const { classes, labels, best } = sample;
  const change = (values) => context.update({ ...context.state, ...values });

  // La regla.
  const thresholdField = sliderField({
    label: "Umbral",
    value: context.state.threshold,
    min: LOW,
    max: HIGH,
    step: 0.01,
    format: (value) => value.toFixed(2),
    onInput: (threshold) => change({ threshold, argmax: false }),
  });
  const argmaxField = checkboxField({
    label: "Sin umbral: contar la clase más probable",
    value: context.state.argmax,
    onInput: (argmax) => change({ argmax }),
  });

  // Las métricas y de qué recuentos salen.
  const tiles = METRICS.map(([key, name]) => ({ key, value: h("dd", {}), fraction: h("dd", { class: "te-fraction" }), name }));
  const metrics = h(
    "dl",
    { class: "te-metrics" },
    ...tiles.map(({ key, name, value, fraction }) => h("div", { class: `te-tile te-${key}` }, h("dt", {}, name), value, fraction)),
  );
  const said = h("p", { class: "te-lesson" });
  const chart = lineChart({ xLabel: "umbral", yLabel: "métrica", height: 230, format: (value) => value.toFixed(1) });
  const curves = THRESHOLDS.map((threshold) => compute({ threshold, argmax: false, label: 0 }));
  const series = METRICS.map(([key, name]) => ({
    name: name.toLowerCase().replace("f1", "F1"),
    kind: `te-${key}`,
    points: curves.map((counts, index) => [THRESHOLDS[index], counts[key]]),
  }));

  // Las confusiones de una clase.
  const classField = selectField({
    label: "Clase",
    value: context.state.label,
    options: classes.map((name, place) => [place, name]),
    onInput: (label) => change({ label }),
  });
  const bars = [...classes, "ninguna"].map((name) => {
    const count = h("td", { class: "te-count" });
    const bar = h("span", { class: "te-bar" });
    const row = h("tr", {}, h("th", { scope: "row" }, name), count, h("td", { class: "te-track", "aria-hidden": "true" }, bar));
    return { row, count, bar };
  });
  const caption = h("caption", {});
  const table = h("table", { class: "te-table" }, caption, h("tbody", {}, ...bars.map(({ row }) => row)));
  const scores = h("p", { class: "te-small" });

  // Las que se quedan sin clase.
  const noneTitle = h("p", { class: "te-name" });
  const cards = Array.from({ length: SHOWN }, () => {
    const canvas = pixelCanvas({ width: SIDE, height: SIDE, scale: 2 });
    const truth = h("span", {});
    const doubt = h("span", { class: "te-doubt" });
    return { canvas, truth, doubt, image: null, element: h("li", {}, canvas.element, truth, doubt) };
  });
  const gallery = h("ul", { class: "te-gallery" }, ...cards.map(({ element }) => element));

  context.body.append(
    h("div", { class: "te-rule" }, thresholdField.element, argmaxField.element),
    metrics,
    said,
    chart.element,
    h(
      "div",
      { class: "te-columns" },
      h("div", {}, classField.element, table, scores),
      h("div", {}, noneTitle, gallery),
    ),
  );

  function showGallery(state, counts) {
    const left = state.argmax ? [] : sample.pictures.filter(({ confidence }) => confidence <= state.threshold).slice(0, SHOWN);
    cards.forEach((card, place) => {
      const next = left[place];
      card.element.hidden = !next;
      if (!next || card.image === next.image) return;
      card.image = next.image;
      const truth = classes[labels[next.image]];
      const guess = classes[best[next.image]];
      const value = three(next.confidence);
      card.canvas.draw(next.pixels, `Una imagen de ${truth}. La mayor probabilidad es la de ${guess}: ${value}.`);
      setText(card.truth, truth);
      setText(card.doubt, `${guess} ${value}`);
    });
    let text = "Ninguna imagen se queda sin clase.";
    if (counts.none === 1) text = "1 imagen se queda sin clase.";
    if (counts.none > 1) text = `${formatInteger(counts.none)} imágenes se quedan sin clase.`;
    if (left.length) text += ` ${left.length === counts.none ? "Aquí están" : `Aquí van ${left.length}`}: qué son, y su mayor probabilidad.`;
    setText(noneTitle, text);
  }

  function render(state) {
    const counts = compute(state);
    thresholdField.set(state.threshold);
    argmaxField.set(state.argmax);
    classField.set(state.label);
    const fractions = {
      accuracy: [counts.right, counts.n],
      precision: [counts.hits, counts.said],
      recall: [counts.hits, counts.n],
      f1: [2 * counts.hits, counts.n + counts.said],
    };
    for (const { key, value, fraction } of tiles) {
      setText(value, three(counts[key]));
      setText(fraction, fractions[key].map(formatInteger).join(" / "));
    }
    setText(said, lesson(state, counts));
    const mark = { name: rule(state), kind: "te-mark", points: [[state.threshold, 0.4], [state.threshold, 1]] };
    const numbers = METRICS.map(([key, name]) => `${name.toLowerCase()} ${three(counts[key])}`).join(", ");
    chart.draw({
      series: state.argmax ? series : [...series, mark],
      x: [0, 1],
      y: [0.4, 1],
      label: `Las cuatro métricas según el umbral, de 0.01 a 0.99. Con ${rule(state)}: ${numbers}.`,
    });
    const name = classes[state.label];
    setText(caption, `De las ${counts.rowTotal} imágenes de ${name}, la red dice:`);
    bars.forEach(({ row, count, bar }, place) => {
      const value = place < CLASSES ? counts.row[place] : counts.rowNone;
      setText(count, formatInteger(value));
      bar.style.width = `${(100 * value) / counts.rowTotal}%`;
      row.className = place === state.label ? "te-right" : value ? "" : "te-zero";
    });
    const hits = counts.row[state.label];
    setText(
      scores,
      `${capital(name)}: precisión ${hits} / ${counts.column} = ${three(counts.column ? hits / counts.column : 0)}, ` +
        `exhaustividad ${hits} / ${counts.rowTotal} = ${three(hits / counts.rowTotal)}.`,
    );
    showGallery(state, counts);
  }

  return { render };
}

const css = `
.control .te-rule { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0.4rem 1.6rem; align-items: end; }
.control .te-rule output { font-weight: 600; }
.control .te-metrics { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.5rem; margin: 0.6rem 0 !important; }
.control .te-tile { display: grid; grid-template-rows: 1fr auto auto; padding: 0.35rem 0.6rem; border: 1px solid var(--c-border); border-left: 0.3rem solid var(--c-series); border-radius: 0.25rem;
  background: var(--c-raised); }
.control .te-tile dt { color: var(--c-muted); font-size: 0.875rem; font-weight: 400; }
.control .te-tile dd { font-size: 1.35rem; font-weight: 600; }
.control .te-tile .te-fraction { color: var(--c-muted); font-size: 0.875rem; font-weight: 400; }
.control .te-accuracy { --c-series: var(--c-text); }
.control .te-precision { --c-series: var(--c-validation); }
.control .te-recall { --c-series: var(--c-train); }
.control .te-f1 { --c-series: var(--c-test); }
.control .te-mark { --c-series: var(--c-muted); }
.control .c-line.c-te-accuracy { --c-series: var(--c-text); }
.control .c-line.c-te-precision { --c-series: var(--c-validation); stroke-dasharray: 8 4; }
.control .c-line.c-te-recall { --c-series: var(--c-train); stroke-dasharray: 8 3 2 3; }
.control .c-line.c-te-f1 { --c-series: var(--c-test); stroke-dasharray: 2 3; }
.control .te-lesson { min-height: 2.9em; margin: 0.2rem 0 0.5rem; }
.control .te-columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem 1.6rem; align-items: start; margin-top: 0.8rem; }
.control .te-table { width: 100%; margin: 0.5rem 0; border: 0; border-collapse: collapse; font-size: 0.95rem; line-height: 1.3; }
.control .te-table caption { padding: 0 0 0.2rem; color: var(--c-text); font-weight: 600; text-align: left; caption-side: top; }
.control .te-table tr { border: 0; background: none; }
.control .te-table :is(th, td) { padding: 0.05rem 0.5rem 0.05rem 0; border: 0; background: none; color: inherit; font-weight: 400; text-align: left; }
.control .te-table th { width: 5.5rem; }
.control .te-table .te-count { width: 2.5rem; text-align: right; }
.control .te-table .te-track { padding-right: 0; }
.control .te-bar { display: block; height: 0.8rem; background: var(--c-validation); }
.control .te-right .te-bar { background: var(--c-accent); }
.control tr:last-child .te-bar { background: var(--c-edge); }
.control .te-right :is(th, td) { font-weight: 600; }
.control .te-zero { color: var(--c-muted); }
.control .te-small { color: var(--c-muted); font-size: 0.9rem; }
.control .te-name { font-weight: 600; }
.control .te-gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.6rem, 1fr)); gap: 0.5rem; margin: 0.5rem 0 0; padding: 0; list-style: none; }
.control .te-gallery li { display: grid; justify-items: start; margin: 0; font-size: 0.85rem; line-height: 1.25; }
.control .te-doubt { color: var(--c-muted); }
@container (max-width: 40rem) {
  .control :is(.te-rule, .te-columns) { grid-template-columns: minmax(0, 1fr); }
  .control .te-metrics { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
`;

export default { title: "El umbral y las métricas", css, normalize, describe, toAddress, fromAddress, mount, compute, decode };
