import { playhead, seconds, timeline, waveform } from "./chart.js";
import { Recorder } from "./recorder.js";

const $ = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)}%`;
let model;
let clip = null;
let key = "";
let address = "";
let asked = 0;
let draw = () => {};

function listed(words, last = "and") {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

function element(name, { text = "", className = "", ...properties } = {}) {
  return Object.assign(document.createElement(name), { textContent: text, className, ...properties });
}

async function ask(path, options = {}) {
  const headers = key ? { "X-API-Key": key } : {};
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({ error: response.statusText }));
  throw Object.assign(new Error(said.error), { status: response.status });
}

async function open() {
  try {
    model = await (await ask("model")).json();
  } catch (error) {
    $("clip-form").hidden = true;
    if (error.status !== 401) throw error;
    $("key-form").hidden = false;
    $("key-problem").textContent = key ? "This is not the server's key." : "";
    $("key").focus();
    return;
  }
  $("key-form").hidden = true;
  $("clip-form").hidden = false;
  document.title = `${model.title} · merflow`;
  const named = model.title.startsWith("version ");
  $("model-name").textContent = named ? model.title : `${model.title}, version ${model.version}`;
  const reads = model.modalities.map((name) => ({ audio: "speech", text: "words", video: "faces" })[name]);
  $("intro").textContent = `This model tells ${listed(model.classes)} apart, from ${listed(reads)}. ${model.remark}`;
  $("words").hidden = !model.modalities.includes("text");
  $("text").maxLength = model.limits.text_chars;
  $("kept").textContent = model.keeps_requests ? "This server keeps what you send." : "Nothing that you send is kept.";
  $("drop-hint").textContent = `or drop audio or video here, up to ${model.limits.upload_mib}\u00a0MiB`;
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    $("record").disabled = true;
    $("record-hint").textContent = "Browsers record only on https:// or on this machine itself.";
  }
  if (model.has_card) {
    $("card-section").hidden = false;
    $("card").innerHTML = await (await ask("model/card.html")).text();
  }
  ready();
}

function ready() {
  const words = model?.modalities.includes("text") && $("text").value.trim();
  $("predict").disabled = !clip && !words;
}

function choose(file) {
  clip = file;
  $("chosen").textContent = `${file.name}, ${file.size < 2 ** 20 ? `${Math.ceil(file.size / 1024)} KiB` : `${(file.size / 2 ** 20).toFixed(1)} MiB`}`;
  ready();
  predict();
}

async function predict() {
  const number = ++asked;
  const form = new FormData();
  if (clip) form.append("file", clip);
  if ($("text").value.trim()) form.append("text", $("text").value);
  $("problem").textContent = "";
  $("status").textContent = clip ? "Listening …" : "Reading …";
  $("predict").disabled = true;
  try {
    const found = await (await ask(clip ? "listen" : "predict", { method: "POST", body: form })).json();
    if (number !== asked) return;
    show(found);
    $("status").textContent = "";
  } catch (error) {
    if (number !== asked) return;
    $("answer").hidden = true;
    $("status").textContent = "";
    $("problem").textContent = error.status ? error.message : "The server cannot be reached.";
  } finally {
    ready();
  }
}

function verdict(answer) {
  if (!model.abstains) return [`${answer.emotion}, ${percent(answer.probabilities[answer.emotion])}`, "The most likely emotion. This model cannot say when it is not sure."];
  if (answer.sure) return [`${answer.emotion}, ${percent(answer.probabilities[answer.emotion])}`, "The model holds no other emotion possible."];
  if (!answer.possible.length) return ["Not sure", "No emotion fits this clip well enough."];
  return [`Not sure: ${listed(answer.possible, "or")}`, "The model holds each of these possible, and does not choose."];
}

function show(found) {
  const answer = found.whole ?? found.predictions?.[0] ?? null;
  $("answer").hidden = false;
  $("answer-of").textContent = answer?.clip ?? "";
  const long = ["See emotion over time", `The recording is longer than ${seconds(model.limits.clip_s)}, and is predicted in parts only.`];
  const [title, note] = answer ? verdict(answer) : long;
  $("answer-title").textContent = title;
  const heard = new Set((found.segments ?? []).map((segment) => segment.answer.emotion));
  $("answer-note").textContent = answer && heard.size > 1 ? `${note} Stretches of speech differ: see emotion over time.` : note;
  $("warnings").replaceChildren(...(answer?.warnings ?? []).map((text) => element("li", { text })));
  $("bars").replaceChildren(...(answer ? model.classes.map((name) => bar(name, answer)) : []));
  $("counted").parentElement.hidden = !answer;
  $("counted").replaceChildren(
    ...model.modalities.map((name) => {
      const used = answer?.modalities.includes(name);
      return element("span", { text: used ? name : `${name}: not given`, className: used ? "chip" : "chip unused" });
    }),
  );
  $("sound").hidden = !found.envelope;
  if (found.envelope) hear(found);
  $("answer").focus({ preventScroll: true });
  $("answer").scrollIntoView({ block: "start" });
}

function bar(name, answer) {
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

function hear(found) {
  URL.revokeObjectURL(address);
  address = URL.createObjectURL(clip);
  const kind = clip.type.startsWith("video/") && !clip.name.startsWith("recording.") ? "video" : "audio";
  const media = element(kind, { controls: true, preload: "metadata", src: address });
  media.setAttribute("aria-label", "The clip");
  $("player").replaceChildren(media);
  $("duration").textContent = seconds(found.duration_s);
  $("timeline").hidden = !found.segments.length;
  draw = () => {
    playhead(waveform($("waveform"), found.envelope, found.duration_s), media, found.duration_s);
    if (!found.segments.length) return;
    playhead(timeline($("timeline-chart"), found.segments, model.colours, found.duration_s), media, found.duration_s);
  };
  draw();
  if (!found.segments.length) return;
  $("timeline-note").textContent =
    "Each stretch of speech, predicted from its sound alone. The strip on top is the most likely emotion, hatched where the model is not sure.";
  $("legend").replaceChildren(
    ...model.classes.map((name) => {
      const item = element("li");
      item.style.setProperty("--colour", `var(--${model.colours[name]})`);
      item.append(element("i"), name);
      return item;
    }),
  );
  table(found.segments, media);
}

function table(segments, media) {
  const head = element("tr");
  head.append(...["From", "To", "Emotion", ...model.classes].map((text) => element("th", { text, scope: "col" })));
  const rows = segments.map(({ start_s, end_s, answer }) => {
    const row = element("tr");
    const play = element("button", { type: "button", text: seconds(start_s), ariaLabel: `Play from ${seconds(start_s)}` });
    play.addEventListener("click", () => {
      media.currentTime = start_s;
      media.play();
    });
    const from = element("td");
    from.append(play);
    const emotion = answer.error ?? (answer.sure || !model.abstains ? answer.emotion : `not sure: ${listed(answer.possible, "or") || "none fits"}`);
    const shares = model.classes.map((name) => (answer.error ? "" : percent(answer.probabilities[name])));
    row.append(from, ...[seconds(end_s), emotion, ...shares].map((text) => element("td", { text })));
    return row;
  });
  const [thead, tbody] = [element("thead"), element("tbody")];
  thead.append(head);
  tbody.append(...rows);
  $("segments").replaceChildren(thead, tbody);
}

const recorder = new Recorder({
  onTick: (at, level) => {
    $("record-hint").textContent = `${seconds(at)}, press again to stop`;
    $("level").value = level;
  },
  onDone: (file) => {
    recording(false);
    choose(file);
  },
});

function recording(on) {
  $("record").setAttribute("aria-pressed", String(on));
  $("record-label").textContent = on ? "Stop" : "Record";
  $("record-hint").textContent = on ? "" : "with your microphone";
  $("level").hidden = !on;
}

$("record").addEventListener("click", async () => {
  if (recorder.running) return recorder.stop();
  $("problem").textContent = "";
  recorder.limitS = model.limits.clip_s - 1;
  try {
    await recorder.start();
    recording(true);
  } catch (error) {
    $("problem").textContent = `The microphone cannot be used: ${error.message}`;
  }
});
$("file").addEventListener("change", () => $("file").files[0] && choose($("file").files[0]));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
  });
}
$("text").addEventListener("input", ready);
$("clip-form").addEventListener("submit", (event) => {
  event.preventDefault();
  predict();
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  open();
});
addEventListener("resize", () => draw());
open().catch(() => {
  $("problem").textContent = "The server cannot be reached.";
});
