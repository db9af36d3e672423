import { playhead, waveform } from "./chart.js";
import { element, listed, seconds } from "./elements.js";
import * as emotions from "./emotions.js";
import { Recorder } from "./recorder.js";
import * as scores from "./scores.js";

const $ = (id) => document.getElementById(id);
let model;
let task; // emotions or scores: what the page says and draws of an answer
let clip = null;
let key = "";
let address = "";
let asked = 0;
let draw = () => {};

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
  task = model.scale ? scores : emotions;
  $("key-form").hidden = true;
  $("clip-form").hidden = false;
  document.title = `${model.title} · merflow`;
  const named = model.title.startsWith("version ");
  $("model-name").textContent = named ? model.title : `${model.title}, version ${model.version}`;
  const reads = model.modalities.map((name) => ({ audio: "speech", text: "words", video: "faces" })[name]);
  $("intro").textContent = `${task.intro(model)}, from ${listed(reads)}. ${model.remark}`;
  $("title").textContent = task.title(model);
  $("bars").setAttribute("aria-label", task.answerLabel(model));
  $("timeline-title").textContent = task.timelineTitle(model);
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

function show(found) {
  const answer = found.whole ?? found.predictions?.[0] ?? null;
  $("answer").hidden = false;
  $("answer-of").textContent = answer?.clip ?? "";
  const long = [`See ${task.timelineTitle(model).toLowerCase()}`, `The recording is longer than ${seconds(model.limits.clip_s)}, and is predicted in parts only.`];
  const [title, note] = answer ? task.verdict(answer, model) : long;
  $("answer-title").textContent = title;
  const differ = answer && task.differ((found.segments ?? []).map((segment) => segment.answer), model);
  $("answer-note").textContent = differ ? `${note} Stretches of speech differ: see ${task.timelineTitle(model).toLowerCase()}.` : note;
  $("warnings").replaceChildren(...(answer?.warnings ?? []).map((text) => element("li", { text })));
  $("bars").replaceChildren(...(answer ? task.pictured(answer, model) : []));
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
    playhead(task.timeline($("timeline-chart"), found.segments, model, found.duration_s), media, found.duration_s);
  };
  draw();
  if (!found.segments.length) return;
  $("timeline-note").textContent = `Each stretch of speech, predicted from its sound alone. ${task.timelineNote(model)}`;
  $("legend").replaceChildren(
    ...Object.entries(task.legend(model)).map(([name, colour]) => {
      const item = element("li");
      item.style.setProperty("--colour", `var(--${colour})`);
      item.append(element("i"), name);
      return item;
    }),
  );
  table(found.segments, media);
}

function table(segments, media) {
  const head = element("tr");
  head.append(...["From", "To", ...task.columns(model)].map((text) => element("th", { text, scope: "col" })));
  const rows = segments.map(({ start_s, end_s, answer }) => {
    const row = element("tr");
    const play = element("button", { type: "button", text: seconds(start_s), ariaLabel: `Play from ${seconds(start_s)}` });
    play.addEventListener("click", () => {
      media.currentTime = start_s;
      media.play();
    });
    const from = element("td");
    from.append(play);
    row.append(from, ...[seconds(end_s), ...task.cells(answer, model)].map((text) => element("td", { text })));
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
