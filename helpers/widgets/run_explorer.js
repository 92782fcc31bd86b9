// Explorador de ejecuciones: la rejilla registrada, una combinación o dos, y cuáles no se distinguen de la mejor.
//
// Las curvas, la banda de las semillas y la selección llegan hechas de `run_explorer.py` en `context.data`, en diezmilésimas.

import { button, checkboxField, formatInteger, h, lineChart, selectField, setText, sliderField, svg } from "./base.js";

const UNIT = 10_000;
const AXES = ["learning_rate", "dropout", "augmentation", "filters"];
const SIZES = [5, 3, 2, 3];
const CRITERIA = ["validation", "test", "shifted"];
const SURE = 1.96;
const KINDS = ["train", "validation"];

// --- Números: los de Python -------------------------------------------------------------------------------------

/** Diezmilésimas con tres decimales. */
export function formatUnits(value) {
  if (value === null) return "NaN";
  const thousandths = Math.floor((Math.abs(value) + 5) / 10);
  return `${value < 0 && thousandths ? "−" : ""}${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, "0")}`;
}

/** Diezmilésimas como puntos porcentuales, sin signo. */
export function formatPoints(value) {
  const tenths = Math.floor((Math.abs(value) + 5) / 10);
  return `${Math.floor(tenths / 10)}.${tenths % 10}`;
}

export function runIndex(place) {
  return place.reduce((index, at, axis) => index * SIZES[axis] + at, 0);
}

function placeOf(index) {
  const place = [];
  for (let axis = SIZES.length - 1; axis >= 0; axis -= 1) {
    place.unshift(index % SIZES[axis]);
    index = Math.floor(index / SIZES[axis]);
  }
  return place;
}

/** Diferencia, en diezmilésimas, que dos ejecuciones pueden tener por azar: la regla de `margin` en Python. */
export function margin(first, second, deviation, count) {
  const [p, q] = [first / UNIT, second / UNIT];
  return Math.round(UNIT * SURE * Math.sqrt(2 * deviation ** 2 + (p * (1 - p) + q * (1 - q)) / count));
}

function pointText(place, { axes }) {
  const [rate, dropout, augmentation, filters] = AXES.map((name, axis) => axes[name][place[axis]]);
  return `tasa ${rate}, dropout ${dropout}, ${augmentation ? "con" : "sin"} aumento, filtros ${filters.join("/")}`;
}

/** Qué se puede decir de A frente a B o, sin B, frente a la mejor. */
export function verdict(state, data) {
  const { criterion } = state;
  const chosen = data.criteria[criterion];
  const first = runIndex(state.a);
  const second = state.b ? runIndex(state.b) : chosen.order[0];
  const name = state.b ? "B" : "la mejor";
  const [run, other] = [data.runs[first], data.runs[second]];
  const lost = "no ha aprendido: su pérdida dejó de ser un número o acierta lo que el azar.";
  if (run.failed) return `A ${lost}`;
  if (first === second) return state.b ? "A y B son la misma ejecución." : `A es la mejor de las ${data.runs.length} en ${chosen.label}.`;
  if (other.failed) return `${name} ${lost}`;
  const gap = run[criterion] - other[criterion];
  const room = margin(run[criterion], other[criterion], chosen.deviation, chosen.count);
  const where = `${formatPoints(gap)} puntos ${gap < 0 ? "menos" : "más"} que ${name} en ${chosen.label}`;
  if (Math.abs(gap) <= room) return `A no se distingue de ${name}: ${where}, y el azar solo ya hace hasta ${formatPoints(room)}.`;
  return `A se distingue de ${name}: ${where}, y el azar solo hace hasta ${formatPoints(room)}.`;
}

// --- El estado ----------------------------------------------------------------------------------------------------

function isPlace(place) {
  return Array.isArray(place) && place.length === SIZES.length && place.every((at, axis) => Number.isInteger(at) && at >= 0 && at < SIZES[axis]);
}

export function normalize(state) {
  const { a, b = null, criterion } = state ?? {};
  if (!isPlace(a) || (b !== null && !isPlace(b)) || !CRITERIA.includes(criterion)) return null;
  return { a: [...a], b: b && [...b], criterion };
}

// La dirección: cuatro cifras de A, cuatro de B si la hay, y el criterio: 2002_2102_test.
export function toAddress({ a, b, criterion }) {
  return [a.join(""), ...(b ? [b.join("")] : []), criterion].join("_");
}

export function fromAddress(text) {
  const parts = text.split("_");
  const criterion = parts.pop();
  if (parts.length < 1 || parts.length > 2 || parts.some((part) => !/^\d{4}$/.test(part))) return null;
  const [a, b = null] = parts.map((part) => [...part].map(Number));
  return { a, b, criterion };
}

// --- La interfaz ----------------------------------------------------------------------------------------------------

let grid = null;

export function describe(state) {
  if (!grid) return "";
  const parts = (state.b ? ["a", "b"] : ["a"]).map((which) => {
    const run = grid.runs[runIndex(state[which])];
    return `${which.toUpperCase()}: ${pointText(state[which], grid)}; ${grid.criteria[state.criterion].label} ${formatUnits(run[state.criterion])}.`;
  });
  return `${parts.join(" ")} ${verdict(state, grid)}`;
}

const ROWS = [
  ["Época elegida (menor pérdida de validación)", (run) => `${run.epoch} de ${run.history[0].length}`],
  ["Pérdida, entrenamiento", (run) => formatUnits(run.history[0][run.epoch - 1])],
  ["Pérdida, validación", (run) => formatUnits(run.history[1][run.epoch - 1])],
  ["Exactitud, entrenamiento", (run) => formatUnits(run.history[2][run.epoch - 1])],
  ["Exactitud, validación", (run) => formatUnits(run.history[3][run.epoch - 1])],
  ["Hueco en la última época (entrenamiento − validación)", (run) => gapText(run)],
  ["Prueba oficial", (run) => formatUnits(run.test)],
  ["Prueba desplazada 3 píxeles", (run) => formatUnits(run.shifted)],
];

function gapText(run) {
  const [train, validation] = [run.history[2].at(-1), run.history[3].at(-1)];
  return train === null || validation === null ? "NaN" : formatUnits(train - validation);
}

/** Ejes de la pérdida y de la exactitud, en décimas, para lo que se ve: la banda y las ejecuciones elegidas. */
export function limitsOf(state, data) {
  const runs = [state.a, state.b].filter(Boolean).map((place) => data.runs[runIndex(place)]);
  return [[0, 1], [2, 3]].map((curves) => {
    const shown = curves.flatMap((curve) => [...data.band[curve].flat(), ...runs.flatMap((run) => run.history[curve])]);
    const values = shown.filter((value) => value !== null);
    return [Math.floor(Math.min(...values) / 1000) / 10, Math.ceil(Math.max(...values) / 1000) / 10];
  });
}

/** Los cuatro hiperparámetros de una ejecución. */
function pointFields(place, axes, onInput) {
  const read = [String, String, null, (value) => value.join("/")];
  const labels = ["Tasa de aprendizaje", "Dropout", "Aumento de datos", "Filtros"];
  const set = (axis, at) => onInput(axis, at);
  const fields = AXES.map((name, axis) => {
    const label = labels[axis];
    if (name === "augmentation") {
      return checkboxField({ label, value: place[axis] === 1, onInput: (checked) => set(axis, Number(checked)) });
    }
    const values = axes[name].map((_, at) => at);
    const format = (at) => read[axis](axes[name][at]);
    return sliderField({ label, value: place[axis], values, format, onInput: (at) => set(axis, at) });
  });
  return {
    elements: fields.map((field) => field.element),
    set(next) {
      fields.forEach((field, axis) => field.set(axis === 2 ? next[axis] === 1 : next[axis]));
    },
  };
}

function mount(context) {
  const { data } = context;
  grid = data;
  const change = (values, message) => context.update({ ...context.state, ...values }, message);
  const letters = ["a", "b"];

  const criterionField = selectField({
    label: "La mejor, según",
    value: context.state.criterion,
    options: CRITERIA.map((name) => [name, `${data.criteria[name].label} (${formatInteger(data.criteria[name].count)} imágenes)`]),
    onInput: (criterion) => change({ criterion }),
  });
  const order = () => data.criteria[context.state.criterion].order;
  const buttons = h(
    "div",
    { class: "c-row" },
    button({ text: "La mejor", kind: "principal", onClick: () => change({ a: placeOf(order()[0]) }, "La mejor.") }),
    button({ text: "La peor", onClick: () => change({ a: placeOf(order().at(-1)) }, "La peor.") }),
    button({ text: "Por omisión", onClick: () => change({ a: [...data.default] }, "La combinación por omisión.") }),
  );
  // Las que no se distinguen de la mejor, por su nombre: elegir una la enseña.
  const equalBox = h("div", { class: "re-equal" });
  let equalOf = null;
  let equalField = null;
  function showEqual(state) {
    const { equal } = data.criteria[state.criterion];
    if (equalOf !== state.criterion) {
      equalOf = state.criterion;
      equalField = selectField({
        label: `No se distinguen de la mejor: ${equal.length} de ${data.runs.length}`,
        value: null,
        options: [
          [null, "Elige una para verla en A"],
          ...equal.map((index) => [index, `${formatUnits(data.runs[index][state.criterion])} · ${pointText(placeOf(index), data)}`]),
        ],
        onInput: (index) => index !== null && change({ a: placeOf(index) }),
      });
      equalBox.replaceChildren(equalField.element);
    }
    const at = runIndex(state.a);
    equalField.set(equal.includes(at) ? at : null);
  }
  const compareField = checkboxField({
    label: "Comparar con otra (B)",
    value: Boolean(context.state.b),
    onInput: (checked) => change({ b: checked ? [...data.default] : null }),
  });

  const panels = letters.map((letter) => {
    const fields = pointFields(context.state[letter] ?? data.default, data.axes, (axis, at) => {
      const place = [...context.state[letter]];
      place[axis] = at;
      change({ [letter]: place });
    });
    const name = h("p", { class: "re-name" });
    const failed = h("p", { class: "c-error", hidden: true }, "Esta ejecución no ha aprendido: su pérdida dejó de ser un número o acierta lo que el azar.");
    const charts = ["pérdida", "exactitud"].map((yLabel) => lineChart({ xLabel: "época", yLabel, height: 210, format: (value) => value.toFixed(1) }));
    const element = h(
      "div",
      { class: "re-panel", role: "group", "aria-label": `Ejecución ${letter.toUpperCase()}` },
      name,
      h("div", { class: "re-fields" }, ...fields.elements),
      failed,
      h("div", { class: "re-charts" }, ...charts.map((chart) => chart.element)),
    );
    return { letter, fields, name, failed, charts, element };
  });
  const grids = h("div", { class: "re-panels" }, ...panels.map((panel) => panel.element));

  const conclusion = h("p", { class: "re-verdict" });
  const cells = ROWS.map(([label]) => ({ label, a: h("td", {}), b: h("td", {}) }));
  const heads = { a: h("th", { scope: "col" }, "A"), b: h("th", { scope: "col" }, "B") };
  const table = h(
    "table",
    { class: "re-table" },
    h("caption", { class: "c-hidden" }, "Números de las ejecuciones"),
    h("thead", {}, h("tr", {}, h("td", {}), heads.a, heads.b)),
    h("tbody", {}, ...cells.map(({ label, a, b }) => h("tr", {}, h("th", { scope: "row" }, label), a, b))),
  );
  const strip = svg("svg", { class: "c-chart", role: "img", height: 190 });
  const stripBox = h("div", { class: "re-strip" }, h("p", { class: "re-name" }, `Las ${data.runs.length}, de la mejor a la peor`), strip);
  const warning = h("p", { class: "re-small" });
  const small = [
    `La banda va de la peor a la mejor de las ${data.seeds} semillas de la combinación por omisión, y solo de ella: las demás se entrenaron una vez. ` +
      "Que una curva se salga de la banda dice que no es como la de omisión; no dice cuánto se movería con otra semilla.",
    "La curva de entrenamiento se mide mientras se aprende, con dropout y con las imágenes transformadas si las hay: por eso el hueco puede ser negativo.",
    data.failed ? `${data.failed} de las ${data.runs.length} ejecuciones no aprendieron.` : `Ninguna de las ${data.runs.length} ejecuciones divergió ni se quedó en el azar.`,
  ].map((text) => h("p", { class: "re-small" }, text));

  context.body.append(
    h("div", { class: "re-setup" }, criterionField.element, equalBox, h("div", { class: "re-actions" }, buttons, compareField.element)),
    grids,
    small[0],
    conclusion,
    table,
    stripBox,
    warning,
    ...small.slice(1),
  );

  // --- Pintar ---

  function drawPanel(panel, state, limits) {
    const place = state[panel.letter];
    panel.element.hidden = !place;
    if (!place) return;
    const run = data.runs[runIndex(place)];
    const who = panel.letter.toUpperCase();
    panel.fields.set(place);
    panel.failed.hidden = !run.failed;
    setText(panel.name, `Ejecución ${who}`);
    panel.charts.forEach((chart, index) => {
      const curves = KINDS.map((kind, side) => {
        const values = run.history[2 * index + side];
        return {
          name: ["Entrenamiento", "Validación"][side],
          kind,
          points: values.map((value, at) => [at + 1, value === null ? NaN : value / UNIT]),
          band: data.band[2 * index + side].map(([low, high], at) => [at + 1, low / UNIT, high / UNIT]),
        };
      });
      const [train, validation] = [0, 1].map((side) => formatUnits(run.history[2 * index + side][run.epoch - 1]));
      const what = index ? "Exactitud" : "Pérdida";
      const label = `${what} de ${who} por época. En la ${run.epoch}, la elegida: ${train} en entrenamiento y ${validation} en validación`;
      chart.draw({ series: curves, x: [1, run.history[0].length], y: limits[index], label });
    });
  }

  function drawStrip(state) {
    const { order: ranks, equal, label } = data.criteria[state.criterion];
    const values = ranks.map((index) => data.runs[index][state.criterion] / UNIT);
    const [low, high] = [Math.floor(20 * Math.min(...values)) / 20, Math.ceil(20 * values[0]) / 20];
    const width = Math.max(240, Math.floor(stripBox.clientWidth || 400));
    strip.setAttribute("viewBox", `0 0 ${width} 190`);
    strip.setAttribute("width", width);
    const x = (rank) => 56 + (rank * (width - 68)) / (ranks.length - 1);
    const y = (value) => 144 - ((value - low) / (high - low)) * 118;
    const marks = [];
    for (const value of [low, (low + high) / 2, high]) {
      marks.push(svg("line", { class: "c-grid", x1: 48, x2: width - 4, y1: y(value), y2: y(value) }));
      marks.push(svg("text", { x: 42, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(3).replace(/0$/, "")));
    }
    ranks.forEach((index, rank) => {
      const kind = equal.includes(index) ? "re-dot re-told" : "re-dot";
      marks.push(svg("circle", { class: kind, cx: x(rank), cy: y(values[rank]), r: 3.2 }));
    });
    letters.filter((letter) => state[letter]).forEach((letter) => {
      const rank = ranks.indexOf(runIndex(state[letter]));
      marks.push(svg("circle", { class: "re-ring", cx: x(rank), cy: y(values[rank]), r: 7 }));
      marks.push(svg("text", { class: "re-letter", x: x(rank), y: y(values[rank]) + (letter === "a" ? 24 : -12), "text-anchor": "middle" }, letter.toUpperCase()));
    });
    const legend = (at, kind, text) => marks.push(svg("circle", { class: kind, cx: 54, cy: at - 4, r: 4 }), svg("text", { x: 66, y: at }, text));
    legend(164, "re-dot re-told", "no se distinguen de la mejor");
    legend(184, "re-dot", "las demás");
    const rankOf = (letter) => `${letter.toUpperCase()} está en el puesto ${ranks.indexOf(runIndex(state[letter])) + 1}`;
    strip.setAttribute("aria-label", `Las ${ranks.length} por ${label}, de ${values[0].toFixed(3)} a ${values.at(-1).toFixed(3)}. ${letters.filter((letter) => state[letter]).map(rankOf).join("; ")}.`);
    strip.replaceChildren(...marks);
  }

  let last = null;
  const observer = globalThis.ResizeObserver ? new ResizeObserver(() => last && drawStrip(last)) : null;
  observer?.observe(stripBox);

  function render(state) {
    last = state;
    const chosen = data.criteria[state.criterion];
    criterionField.set(state.criterion);
    compareField.set(Boolean(state.b));
    showEqual(state);
    grids.classList.toggle("re-two", Boolean(state.b));
    const limits = limitsOf(state, data);
    panels.forEach((panel) => drawPanel(panel, state, limits));
    setText(conclusion, verdict(state, data));
    heads.b.hidden = !state.b;
    cells.forEach((cell, row) => {
      setText(cell.a, ROWS[row][1](data.runs[runIndex(state.a)]));
      cell.b.hidden = !state.b;
      if (state.b) setText(cell.b, ROWS[row][1](data.runs[runIndex(state.b)]));
    });
    drawStrip(state);
    const best = data.runs[chosen.order[0]];
    const fresh = state.criterion === "validation" ? ` La mejor saca aquí ${formatUnits(best.validation)} y, en la prueba oficial, ${formatUnits(best.test)}.` : " Elegir con estas imágenes es gastarlas: para elegir está la validación.";
    setText(
      warning,
      `La mejor de ${data.runs.length} parece mejor de lo que es: de ${data.runs.length} redes iguales, con la dispersión de estas semillas, ` +
        `la primera saldría unos ${formatPoints(chosen.luck)} puntos por encima de la media, por suerte.${fresh}`,
    );
  }

  return { render, destroy: () => observer?.disconnect() };
}

const css = `
.control .re-setup { display: grid; gap: 0.6rem; }
.control .re-actions { display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; align-items: center; }
.control .re-panels { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; margin-top: 0.8rem; }
.control .re-panel { min-width: 0; padding: 0.6rem; border: 1px solid var(--c-border); border-radius: 0.25rem; }
.control .re-fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(8rem, 100%), 1fr)); gap: 0.4rem 1.2rem; margin: 0.3rem 0 0.6rem; align-items: end; }
.control .re-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: 0.6rem; }
.control .re-charts > * { min-width: 0; }
.control .re-name { font-weight: 600; }
.control .re-verdict { margin: 0.8rem 0; padding: 0.5rem 0.8rem; border-left: 0.25rem solid var(--c-accent); background: var(--c-accent-soft); font-weight: 600; }
.control .re-table { width: auto; margin: 0 0 0.8rem; border-collapse: collapse; color: inherit; background: none; font-size: 0.95rem; }
.control .re-table :is(th, td) { padding: 0.15rem 0.8rem 0.15rem 0; border: 0; border-bottom: 1px solid var(--c-border); background: none; color: inherit; text-align: left; }
.control .re-table :is(td, thead th) { text-align: right; font-weight: 600; white-space: nowrap; }
.control .re-table tbody th { font-weight: 400; }
.control .re-strip { min-width: 0; }
.control .re-panel .c-band { opacity: 0.3; }
.control .re-dot { fill: none; stroke: var(--c-plain); stroke-width: 1.4; }
.control .re-told { fill: var(--c-accent); stroke: var(--c-accent); }
.control .re-ring { fill: none; stroke: var(--c-text); stroke-width: 2; }
.control .c-chart .re-letter { font-weight: 700; }
.control .re-small { margin-top: 0.4rem; color: var(--c-muted); font-size: 0.9rem; }
@container (min-width: 36rem) { .control .re-two { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@container (max-width: 26rem) {
  .control .re-fields { grid-template-columns: minmax(0, 1fr); }
  .control .re-table { width: 100%; font-size: 0.85rem; }
  .control .re-table :is(th, td) { padding-right: 0.4rem; }
  .control .re-table tbody th { overflow-wrap: anywhere; }
}
`;

export default { title: "Explorador de ejecuciones", css, normalize, describe, toAddress, fromAddress, mount, verdict, margin, limitsOf, runIndex, formatUnits, formatPoints };
