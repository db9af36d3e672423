// What the page says and draws of the emotion of a clip. scores.js has the same functions for a score.

import { add, boxOf, ground, ticks } from "./chart.js";
import { element, listed, percent, seconds } from "./elements.js";

export const title = () => "The emotion in a clip";
export const intro = (model) => `This model tells ${listed(model.classes)} apart`;
export const answerLabel = () => "Probability of each emotion";
export const timelineTitle = () => "Emotion over time";
export const timelineNote = (model) =>
  `The strip on top is the most likely emotion${model.abstains ? ", hatched where the model is not sure" : ""}.`;
export const legend = (model) => Object.fromEntries(model.classes.map((name) => [name, model.colours[name]]));
export const differ = (answers) => new Set(answers.map((answer) => answer.emotion)).size > 1;

export function verdict(answer, model) {
  if (!model.abstains) return [`${answer.emotion}, ${percent(answer.probabilities[answer.emotion])}`, "The most likely emotion. This model cannot say when it is not sure."];
  if (answer.sure) return [`${answer.emotion}, ${percent(answer.probabilities[answer.emotion])}`, "The model considers no other emotion possible."];
  if (!answer.possible.length) return ["Not sure", "No emotion fits this clip well enough."];
  return [`Not sure: ${listed(answer.possible, "or")}`, "The model considers each of these possible, and does not choose."];
}

export const pictured = (answer, model) => model.classes.map((name) => bar(name, answer, model));

function bar(name, answer, model) {
  const row = element("li");
  const possible = answer.possible.includes(name);
  row.style.setProperty("--colour", `var(--${model.colours[name]})`);
  const label = element("span", { text: name, className: possible ? "name possible" : "name" });
  if (possible) label.title = "possible";
  const rail = element("span", { className: "rail" });
  rail.setAttribute("aria-hidden", "true");
  const fill = rail.appendChild(element("i"));
  fill.style.width = `${100 * answer.probabilities[name]}%`;
  row.append(label, rail, element("span", { text: percent(answer.probabilities[name]), className: "share" }));
  return row;
}

export function timeline(parent, segments, { classes, colours, abstains }, duration) {
  const [top, height] = [26, 150];
  const [svg, width] = ground(parent, top + height + 28, "Emotion over time; the table below has the numbers");
  segments.forEach((segment) => {
    if (segment.answer.error) return;
    const box = boxOf(segment, duration, width);
    const { emotion, probabilities, sure } = segment.answer;
    const strip = add(svg, "rect", { ...box, y: 0, height: 14, rx: 2 });
    strip.style.fill = `var(--${colours[emotion]})`;
    if (abstains && !sure) add(svg, "rect", { ...box, class: "unsure", y: 0, height: 14 });
    let y = top + height;
    classes.forEach((name) => {
      const part = probabilities[name] * height;
      y -= part;
      const rect = add(svg, "rect", { ...box, y, height: Math.max(0, part) });
      rect.style.fill = `var(--${colours[name]})`;
    });
    const whole = add(svg, "rect", { ...box, y: 0, height: top + height, fill: "transparent" });
    const listed = classes.map((name) => `${name} ${percent(probabilities[name])}`).join(", ");
    add(whole, "title", {}, `${seconds(segment.start_s)} to ${seconds(segment.end_s)}: ${listed}`);
  });
  ticks(svg, duration, width, top + height);
  return svg;
}

export const columns = (model) => ["Emotion", ...model.classes];

export function cells(answer, model) {
  if (answer.error) return [answer.error, ...model.classes.map(() => "")];
  const emotion = answer.sure || !model.abstains ? answer.emotion : `not sure: ${listed(answer.possible, "or") || "none fits"}`;
  return [emotion, ...model.classes.map((name) => percent(answer.probabilities[name]))];
}
