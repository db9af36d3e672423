// A recording from the microphone, as the browser encodes it; the sound is not processed, for loudness carries emotion.

export class Recorder {
  constructor({ limitS, onTick, onDone }) {
    Object.assign(this, { limitS, onTick, onDone });
  }

  get running() {
    return this.media?.state === "recording";
  }

  async start() {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    this.media = new MediaRecorder(this.stream);
    const parts = [];
    this.media.addEventListener("dataavailable", (event) => parts.push(event.data));
    this.media.addEventListener("stop", () => {
      this.release();
      const type = this.media.mimeType || "audio/webm";
      this.onDone(new File(parts, type.includes("mp4") ? "recording.mp4" : "recording.webm", { type }));
    });
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    this.context.createMediaStreamSource(this.stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const started = performance.now();
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const seconds = (performance.now() - started) / 1000;
      this.onTick(seconds, Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-10) + 60) / 60)));
      if (seconds >= this.limitS) this.stop();
    }, 100);
    this.media.start();
  }

  stop() {
    if (this.running) this.media.stop();
  }

  release() {
    clearInterval(this.timer);
    this.stream.getTracks().forEach((track) => track.stop());
    this.context.close();
  }
}
