document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", () => {
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll(".row")];
  const songs = [...document.querySelectorAll(".song:not(.silent)")];
  const [audio, bar, search] = ["audio", "player", "search"].map(byId);
  const filters = document.querySelectorAll(".filters button");
  let current = null, state = "";

  // Playing: one song at a time, in the order of the page, through what is shown. One element plays them all: a thousand
  // of them would take a page half a second to open.

  const titleOf = (song) => song.querySelector(".title").textContent;
  const player = new Player(bar, {
    onState: showState,
    onError: () => { byId("now").textContent = `${titleOf(current)}: it cannot be played`; },
    onEnd: (isCut) => {
      if (isCut) showCut(current);
      go(1, false);
    },
  });

  function choose(song, place = null) {
    if (current) {
      audio.pause();
      showState(false);
      current.classList.remove("current");
      if (sung.get(current)?.isOpener) current.querySelector("details").open = false;
    }
    current = song;
    song.classList.add("current");
    const lyrics = lyricsOf(song);
    if (lyrics) {
      const details = song.querySelector("details");
      // What the player has opened it closes again.
      lyrics.isOpener = !details.open;
      details.open = true;
    }
    player.load(song.querySelector(".audio").href, Number(song.dataset.seconds), lyrics, place);
    const image = song.querySelector("img");
    bar.querySelector(".cover").replaceChildren(...(image ? [image.cloneNode()] : []));
    byId("now").textContent = titleOf(song);
    bar.hidden = false;
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: titleOf(song) });
  }

  function play(song) {
    if (song !== current) choose(song);
    player.play();
  }

  // The lyrics of a song are taken apart when they are first opened: all of them would be a million elements.
  const sung = new Map();
  function lyricsOf(song) {
    const element = song.querySelector(".lyrics[data-times]");
    if (element && !sung.has(song)) {
      sung.set(song, new SungLyrics(element, (seconds) => {
        if (song === current) player.seek(seconds);
        else choose(song, seconds);
        player.play();
      }));
    }
    return sung.get(song) ?? null;
  }

  function showCut(song) {
    if (song.querySelector(".cut")) return;
    const text = document.createElement("span");
    text.className = "missing cut";
    text.textContent = `its audio ends at ${clock(player.reached)} of ${clock(player.length)}`;
    song.querySelector(".facts").append(text);
  }

  function toggle() {
    if (!current) go(1);
    else player.toggle();
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

  function showState(isPlaying) {
    current.classList.toggle("playing", isPlaying);
    current.querySelector(".play").setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${titleOf(current)}`);
  }

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
    // Its lyrics may just have opened below the player.
    song.scrollIntoView({ block: "nearest" });
  });
  // This event does not bubble.
  byId("rows").addEventListener("toggle", ({ target }) => { if (target.open && target.closest(".song")) lyricsOf(target.closest(".song")); }, true);
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
