"use strict";

// Seconds as m:ss or h:mm:ss.
function clock(seconds) {
  const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

// The lyrics of one song in an element: marks the word that is sung, and calls onJump with the time of a line that is
// chosen. The element's text and its data-times are written by player.py. It scrolls itself; with a margin in pixels, it
// scrolls the page instead, which ends so far above the bottom of the window.
class SungLyrics {
  constructor(element, onJump, margin = null) {
    this.element = element;
    this.margin = margin;
    this.words = [];
    this.starts = [];
    this.ends = [];
    this.lines = [];
    this.lineOf = [];
    this.at = -1;
    this.isOver = false;
    this.heldUntil = 0;
    const times = element.dataset.times.split(";");
    let end = 0;
    const lines = element.textContent.split("\n");
    const rows = lines.map((text, number) => {
      if (times[number]) {
        const row = this.addLine(text, times[number], end);
        end = this.ends.at(-1);
        return row;
      }
      return text ? this.heading(text, lines[number + 1] ?? "") : "";
    });
    element.replaceChildren(...rows);
    element.classList.add("sung-lyrics");
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", "Lyrics; each line plays the song from there");
    // One stop for the Tab key; the arrows go from line to line.
    this.setStop(0);
    element.addEventListener("click", (event) => {
      const line = event.target.closest(".line");
      if (!line) return;
      this.heldUntil = 0;
      onJump(this.starts[this.lineOf.indexOf(this.lines.indexOf(line))] / 1000);
    });
    element.addEventListener("keydown", (event) => this.moveFocus(event));
    const scroller = margin === null ? element : window;
    for (const name of ["wheel", "touchmove"]) scroller.addEventListener(name, () => this.hold(), { passive: true });
  }

  get end() { return (this.ends.at(-1) ?? 0) / 1000; }

  // On the side where the line after it begins.
  heading(text, line) {
    const heading = document.createElement("h3");
    heading.dir = /^\P{L}*[\p{sc=Arab}\p{sc=Hebr}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nko}]/u.test(line) ? "rtl" : "ltr";
    const name = document.createElement("bdi");
    name.textContent = text.replace(/^\[(.*)\]$/s, "$1");
    heading.append(name);
    return heading;
  }

  addLine(text, times, end) {
    const line = document.createElement("button");
    line.type = "button";
    line.className = "line";
    line.dir = "auto";
    const letters = [...text];
    let at = 0;
    for (const part of times.split(" ")) {
      const [pause, length, count] = part.split(",").map(Number);
      let blanks = "";
      while (letters[at] === " ") blanks += letters[at++];
      const word = document.createElement("span");
      word.textContent = letters.slice(at, at + count).join("");
      line.append(blanks, word);
      at += count;
      this.words.push(word);
      this.starts.push(end + pause);
      this.ends.push(end += pause + length);
      this.lineOf.push(this.lines.length);
    }
    line.append(letters.slice(at).join(""));
    this.lines.push(line);
    return line;
  }

  // Marks the word at this time. Times are whole milliseconds.
  show(seconds) {
    const time = Math.round(seconds * 1000);
    let [low, high] = [0, this.starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= time) low = middle + 1;
      else high = middle;
    }
    const at = low - 1;
    const isOver = at >= 0 && time >= this.ends[at];
    if (at === this.at && isOver === this.isOver) return;
    const [first, last] = [Math.max(0, Math.min(at, this.at)), Math.max(at, this.at)];
    for (let number = first; number <= last; number += 1) {
      this.words[number].className = number > at ? "" : number < at || isOver ? "sung" : "singing";
    }
    const line = this.lineOf[at];
    const before = this.lineOf[this.at];
    [this.at, this.isOver] = [at, isOver];
    if (line === before) return;
    this.lines[before]?.removeAttribute("aria-current");
    this.lines[line]?.setAttribute("aria-current", "true");
    if (line !== undefined && !this.element.contains(document.activeElement)) this.setStop(line);
    this.follow();
  }

  clear() { this.show(-1); }

  // While the user reads elsewhere, the lyrics stay where they are.
  hold() { this.heldUntil = performance.now() + 5000; }

  // Has the line that is sung in sight.
  follow() {
    if (performance.now() < this.heldUntil) return;
    const box = this.lines[this.lineOf[this.at] ?? 0].getBoundingClientRect();
    const [scroller, top, height] = this.margin === null
      ? [this.element, this.element.getBoundingClientRect().top, this.element.clientHeight]
      : [window, 0, innerHeight - this.margin];
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    scroller.scrollBy({ top: box.top + box.height / 2 - top - height * 0.4, behavior });
  }

  setStop(number) {
    for (const [at, line] of this.lines.entries()) line.tabIndex = at === number ? 0 : -1;
  }

  moveFocus(event) {
    const at = this.lines.indexOf(event.target);
    const last = this.lines.length - 1;
    const to = { ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.hold();
    this.setStop(to);
    this.lines[to].focus();
  }
}

// The bar at the bottom of a page and its audio element, which plays one song at a time. A song's length is what the
// service reports, or the end of its last word: what a browser takes from a file is wrong for streams and cut files.
class Player {
  constructor(bar, { onState, onEnd, onError }) {
    [this.bar, this.audio] = [bar, bar.querySelector("audio")];
    this.parts = Object.fromEntries(["seek", "at", "whole", "toggle"].map((id) => [id, document.getElementById(id)]));
    [this.onState, this.onEnd, this.onError] = [onState, onEnd, onError];
    this.lyrics = null;
    this.length = null;
    this.place = null; // where to begin as soon as the audio's metadata is there
    this.reached = 0; // the last time that was played, which a browser forgets at the end of a cut file
    let frame = 0;
    const tick = () => {
      this.show();
      frame = this.audio.paused ? 0 : requestAnimationFrame(tick);
    };
    for (const name of ["play", "timeupdate", "seeking", "seeked", "durationchange"]) {
      this.audio.addEventListener(name, () => { frame ? this.show() : tick(); });
    }
    for (const name of ["play", "pause"]) this.audio.addEventListener(name, () => this.showState());
    this.audio.addEventListener("loadedmetadata", () => {
      if (this.place !== null) this.audio.currentTime = this.place;
      this.place = null;
    });
    this.audio.addEventListener("ended", () => this.onEnd(this.isCut));
    this.parts.seek.addEventListener("input", () => this.seek(Number(this.parts.seek.value)));
  }

  get time() { return this.place ?? this.audio.currentTime; }

  // Whether the audio ended long before the song does.
  get isCut() { return this.audio.ended && this.length !== null && this.reached < this.length - 3; }

  load(address, length, lyrics, place = null) {
    this.lyrics?.clear();
    [this.length, this.lyrics, this.place, this.reached] = [length || lyrics?.end || null, lyrics, place, 0];
    this.audio.src = address;
    this.show();
  }

  // Plays the same song from another address, at the same place.
  move(address) {
    const isPlaying = !this.audio.paused || this.isCut;
    this.place = this.audio.ended ? this.reached : this.time;
    this.audio.src = address;
    if (isPlaying) this.play();
  }

  play() {
    this.audio.play().catch((error) => {
      // A song that was left before it began is no fault.
      if (error.name !== "AbortError") this.onError(error);
    });
  }

  toggle() { this.audio.paused ? this.play() : this.audio.pause(); }

  seek(seconds) {
    if (this.audio.readyState) this.audio.currentTime = seconds;
    else this.place = seconds;
    this.show();
  }

  show() {
    const { seek, at, whole } = this.parts;
    const time = this.time;
    if (!this.audio.ended) this.reached = time;
    const claimed = Number.isFinite(this.audio.duration) ? this.audio.duration : null;
    const length = this.length ?? claimed; // better than a bar that cannot be used
    seek.max = Math.max(length ?? 0, time);
    seek.value = time;
    const texts = [clock(time), length === null ? "" : clock(length)];
    if (at.textContent !== texts[0] || whole.textContent !== texts[1]) {
      seek.setAttribute("aria-valuetext", texts[1] ? texts.join(" of ") : texts[0]);
      [at.textContent, whole.textContent] = texts;
    }
    this.lyrics?.show(time);
  }

  showState() {
    const isPlaying = !this.audio.paused;
    this.bar.classList.toggle("playing", isPlaying);
    this.parts.toggle.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    this.onState?.(isPlaying);
  }
}
