// What a curve says of going on, in words: a line on labels saved, one on predictions and further labels, or why not,
// and one on whose adapter is active where that is not the newest one's.

import { number, points } from "./dom.js";

const SHOWN = 3;
const MORE = 100;

/** Lines for what `/curve` answers; none where there is nothing to say. */
export function signs({ gain, stopping, active, points: rounds }) {
  const older = active && rounds?.length && active < rounds.at(-1).round;
  return [
    gain?.saved && saved(gain), stopping && change(stopping),
    gain?.reason && `How many labels were saved cannot be told yet: ${gain.reason}.`,
    stopping?.reason && `What more labels would bring cannot be told yet: ${stopping.reason}.`,
    older && `The adapter of round ${active} is active, and newer ones are not.`,
  ].filter(Boolean);
}

function saved({ saved: { value, low, high }, extrapolated }) {
  if (low === null) return "";
  const end = extrapolated ? " against random draws (extrapolated)." : " against random draws.";
  if (value === null) return `At least ${about(low)} labels saved so far${end}`;
  const sure = low > 0 || (high !== null && high < 0) ? "About" : "Perhaps";
  const interval = high === null ? `${about(low)} or more` : `${about(low)}, ${about(high)}`;
  return `${sure} ${about(value)} labels saved so far [${interval}]${end}`;
}

function change({ agreement, agreements, settled, outlook }) {
  const known = agreements.map((one) => one.value).filter((value) => value !== null).slice(-SHOWN);
  const words = [];
  if (known.length) {
    const name = agreement === "f1" ? "F1" : agreement;
    const state = settled ? "Predictions have settled" : "Predictions still change";
    words.push(`${state}: ${name} ${known.map((value) => value.toFixed(2)).join(", ")} from round to round.`);
  }
  const next = outlook.find((one) => one.more === MORE);
  if (next) {
    const { value, low, high } = next.gain;
    words.push(`Expected of ${MORE} labels more: ${points(value)} points [${points(low)}, ${points(high)}].`);
  }
  return words.join(" ");
}

/** With two digits that count: 183 is 180. */
const about = (labels) => `${labels < 0 ? "−" : ""}${number(Math.abs(Math.abs(labels) < 100 ? labels : Number(labels.toPrecision(2))))}`;
