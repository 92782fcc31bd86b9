// Un control mínimo que usa todas las piezas de base.js.
import {
  button,
  checkboxField,
  formatBytes,
  formatInteger,
  formatNumber,
  formatPercent,
  h,
  lineChart,
  niceTicks,
  numberField,
  onThemeChange,
  pixelCanvas,
  prefersReducedMotion,
  row,
  selectField,
  sliderField,
} from "./base.js";

const SLOPES = [0.1, 0.5, 2];

export default {
  title: "Control mínimo",
  normalize: (state) => (SLOPES.includes(state?.slope) ? { slope: state.slope, noise: Boolean(state.noise), name: String(state.name) } : null),
  describe: (state) => `Pendiente ${state.slope}.`,
  // Para probar las cuentas de la base sin montarlas.
  tools: { formatBytes, formatInteger, formatNumber, formatPercent, niceTicks, prefersReducedMotion },
  mount({ body, data, update, state: initial, ...context }) {
    let state = initial;
    let themes = 0;
    const edit = (values) => update({ ...state, ...values });
    const slope = sliderField({ label: "Pendiente", value: initial.slope, values: SLOPES, onInput: (value) => edit({ slope: value }) });
    const pick = selectField({ label: "Otra vez", value: initial.slope, options: SLOPES.map((s) => [s, `vale ${s}`]), onInput: (value) => edit({ slope: value }) });
    const noise = checkboxField({ label: "Con ruido", value: initial.noise, onInput: (value) => edit({ noise: value }) });
    const times = numberField({ label: "Veces", value: 1, min: 1, max: 9, onInput: (value) => context.announce(`${value} veces.`) });
    const chart = lineChart({ xLabel: "Época", yLabel: "Pérdida" });
    const image = pixelCanvas({ width: 2, height: 1, scale: 20 });
    const theme = h("p", { class: "mini-theme" }, "0");
    const stop = onThemeChange(() => (theme.textContent = String(++themes)));
    body.append(
      row(slope.element, pick.element, noise.element, times.element, button({ text: "Doble", kind: "principal", onClick: () => edit({ slope: 2 }) })),
      chart.element,
      image.element,
      theme,
    );
    return {
      destroy: stop,
      render(next) {
        state = next;
        slope.set(next.slope);
        pick.set(next.slope);
        noise.set(next.noise);
        const points = [1, 2, 3, 4].map((x) => [x, next.slope * x + (next.noise ? Math.sin(x) : 0)]);
        const band = points.map(([x, y]) => [x, y - 1, y + 1]);
        const label = `Recta que llega a ${formatNumber(points[3][1], 1)}`;
        const series = [
          { name: "entrenamiento", kind: "train", points, band },
          { name: "validación", kind: "validation", points: [[1, 1], [2, NaN], [4, 2]] },
          { name: "prueba", kind: "test", points: [[1, 2], [4, 3]] },
        ];
        chart.draw({ series, x: [1, 4], y: [-2, 10], label });
        image.draw(data.pixels, "Un píxel negro y uno blanco");
      },
    };
  },
};
