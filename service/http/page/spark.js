// A curve as small as a word.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 32;
const EDGE = 3;

/** A line through `values` over `at`, with `words` for who does not see it. */
export function spark(at, values, words) {
  const low = Math.min(...values);
  const spread = Math.max(...values) - low || 1;
  const reach = at.at(-1) - at[0] || 1;
  const points = values.map((value, n) => [
    EDGE + ((at[n] - at[0]) / reach) * (WIDTH - 2 * EDGE),
    HEIGHT - EDGE - ((value - low) / spread) * (HEIGHT - 2 * EDGE),
  ]);
  const svg = shape("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words });
  const [x, y] = points.at(-1);
  svg.append(shape("polyline", { points: points.map((point) => point.map((one) => one.toFixed(1)).join(",")).join(" ") }), shape("circle", { cx: x, cy: y, r: EDGE }));
  return svg;
}

function shape(name, properties) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  return element;
}
