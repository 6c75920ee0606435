"use strict";
document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", () => {
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll(".row")];
  const songs = [...document.querySelectorAll(".song:not(.silent)")];
  const [audio, player, seek, search] = ["audio", "player", "seek", "search"].map(byId);
  const filters = document.querySelectorAll(".filters button");
  let current = null, state = "";

  // Playing: one song at a time, in the order of the page, through what is shown. One element plays them all: a thousand
  // of them would take a page half a second to open.

  const titleOf = (song) => song.querySelector(".title").textContent;
  const clock = (seconds) => {
    const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  function choose(song) {
    if (current) {
      audio.pause();
      showState(current, false);
      current.classList.remove("current");
    }
    current = song;
    song.classList.add("current");
    audio.src = song.querySelector(".audio").href;
    const image = song.querySelector("img");
    player.querySelector(".cover").replaceChildren(...(image ? [image.cloneNode()] : []));
    byId("now").textContent = titleOf(song);
    player.hidden = false;
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: titleOf(song) });
  }

  function play(song) {
    if (song !== current) choose(song);
    audio.play().catch((error) => {
      // A song that was left before it began is no fault.
      if (error.name !== "AbortError" && song === current) byId("now").textContent = `${titleOf(song)}: it cannot be played`;
    });
  }

  function toggle() {
    if (!current) go(1);
    else if (audio.paused) play(current);
    else audio.pause();
  }

  function go(step, follows = true) {
    let at = current ? songs.indexOf(current) : step > 0 ? -1 : songs.length;
    do at += step; while (songs[at] && songs[at].closest(".row").hidden);
    const song = songs[at];
    if (!song) return;
    while (!song.closest(".shown")) showMore();
    play(song);
    // The eye and the screen reader come along, unless the song came by itself and somebody is busy elsewhere.
    if (follows) song.focus({ preventScroll: true });
    if (follows || document.activeElement === document.body) song.scrollIntoView({ block: "nearest" });
  }

  function showTime() {
    const whole = Number.isFinite(audio.duration) ? audio.duration : 0;
    seek.max = whole;
    seek.value = audio.currentTime;
    seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(whole)}`);
    byId("at").textContent = clock(audio.currentTime);
    byId("whole").textContent = clock(whole);
  }

  function showState(song, isPlaying) {
    for (const part of [song, player]) part.classList.toggle("playing", isPlaying);
    byId("toggle").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    song.querySelector(".play").setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${titleOf(song)}`);
  }

  for (const name of ["play", "pause"]) audio.addEventListener(name, () => showState(current, !audio.paused));
  for (const name of ["timeupdate", "durationchange", "emptied"]) audio.addEventListener(name, showTime);
  audio.addEventListener("ended", () => go(1, false));
  seek.addEventListener("input", () => { audio.currentTime = seek.value; });
  byId("toggle").addEventListener("click", toggle);
  byId("next").addEventListener("click", () => go(1));
  byId("previous").addEventListener("click", () => go(-1));
  byId("rows").addEventListener("click", (event) => {
    const button = event.target.closest(".play");
    if (!button) return;
    // By the pointer: the space key shall go on with what plays then, not with this button.
    if (event.detail) button.blur();
    const song = button.closest(".song");
    song === current ? toggle() : play(song);
  });
  if ("mediaSession" in navigator) {
    navigator.mediaSession.setActionHandler("nexttrack", () => go(1, false));
    navigator.mediaSession.setActionHandler("previoustrack", () => go(-1, false));
  }

  // Finding: the words of a row are read once, when they are first asked for.

  const words = new Map();
  const wordsOf = (row) => {
    if (!words.has(row)) words.set(row, [...row.querySelectorAll(".find")].map((part) => part.textContent).join("\n").toLowerCase());
    return words.get(row);
  };

  const more = byId("more");
  const STEP = 30;
  let reach = STEP;

  // Of the rows that fit the first are laid out; the next when one comes near their end.
  function show() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = (!state || row.dataset.state === state) && (!wanted.length || wanted.every((word) => wordsOf(row).includes(word)));
      if (row.hidden === fits) row.hidden = !fits;
      row.classList.toggle("shown", fits && count < reach);
      count += fits;
    }
    byId("nothing").hidden = count > 0;
    byId("shown").textContent = `${count} of ${rows.length} requests fit`;
    more.hidden = count <= reach;
    more.firstChild.textContent = `Show more of ${count - reach}`;
  }

  function showMore() {
    reach += STEP;
    show();
    // Still in sight it would not be told of again.
    watcher.unobserve(more);
    watcher.observe(more);
  }

  const watcher = new IntersectionObserver(([last]) => { if (last.isIntersecting) showMore(); }, { rootMargin: "1500px" });
  watcher.observe(more);
  more.addEventListener("click", showMore);

  function find() {
    reach = STEP;
    show();
  }

  function filter(wanted) {
    state = wanted;
    for (const button of filters) button.setAttribute("aria-pressed", button.dataset.state === state);
    find();
  }

  let pause = 0;
  search.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(find, rows.length > 2000 ? 150 : 0); });
  for (const button of filters) button.addEventListener("click", () => filter(button.dataset.state));
  byId("clear").addEventListener("click", () => { search.value = ""; filter(""); search.focus(); });

  // Keys: those of a field or a button are left to it.

  const moves = { j: 1, ArrowRight: 1, ArrowDown: 1, k: -1, ArrowLeft: -1, ArrowUp: -1 };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const { key, target } = event;
    if (target === search) {
      if (key === "Escape") { search.value = ""; find(); search.blur(); }
      return;
    }
    const isBusy = target.closest("button, a, summary, input, pre") !== null && !/^[jk/]$/.test(key);
    if (isBusy || (event.shiftKey && key !== "/")) return;
    if (key === " ") toggle();
    else if (key in moves) go(moves[key]);
    else if (key === "/") { search.focus(); search.select(); }
    else return;
    event.preventDefault();
  });
  show();
  document.documentElement.classList.add("ready");
  performance.mark("ready");
});
