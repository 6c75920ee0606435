document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", () => {
  const byId = (id) => document.getElementById(id);
  const [bar, search] = ["player", "search"].map(byId);
  const filters = [...document.querySelectorAll(".filters button")];
  const meanings = Object.fromEntries(filters.map((button) => [button.dataset.state, button.title]));
  const rows = readRows(byId("rows"), meanings);
  const songs = rows.flatMap((row) => row.songs);
  const list = new RowList(byId("rows"), (row) => { if (row === current?.row) player.lyrics?.follow(); });
  let current = null, state = "";

  // Playing: one song at a time, in the order of the page, through what is shown. One element plays them all: a thousand
  // of them would take a page half a second to open.

  const player = new Player(bar, {
    onState: showState,
    onError: () => { byId("now").textContent = `${current.title}: it cannot be played`; },
    onEnd: (isCut) => {
      if (isCut) showCut(current);
      go(1, false);
    },
  });

  function choose(song, place = null) {
    const before = current;
    if (current) {
      player.audio.pause();
      showState(false);
      current.element.classList.remove("current");
      if (sung.get(current.element)?.isOpener) current.element.querySelector("details").open = false;
    }
    current = song;
    const element = song.element;
    element.classList.add("current");
    const lyrics = lyricsOf(song);
    if (lyrics) {
      const details = element.querySelector("details");
      // What the player has opened it closes again.
      lyrics.isOpener = !details.open;
      details.open = true;
    }
    player.load(element.querySelector(".audio").href, Number(element.dataset.seconds), lyrics, place);
    const image = element.querySelector("img");
    bar.querySelector(".cover").replaceChildren(...(image ? [image.cloneNode()] : []));
    byId("now").textContent = song.title;
    bar.hidden = false;
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: song.title });
    if (before) list.release(before.row);
  }

  function play(song) {
    if (song !== current) choose(song);
    player.play();
  }

  // The lyrics of a song are taken apart when they are first opened: all of them would be a million elements.
  const sung = new WeakMap();
  function lyricsOf(song) {
    const lyrics = song.element.querySelector(".lyrics[data-times]");
    if (lyrics && !sung.has(song.element)) {
      sung.set(song.element, new SungLyrics(lyrics, (seconds) => {
        if (song === current) player.seek(seconds);
        else choose(song, seconds);
        player.play();
      }));
    }
    return sung.get(song.element) ?? null;
  }

  function showCut(song) {
    if (song.element.querySelector(".cut")) return;
    addNote(song.element, `its audio ends at ${clock(player.reached)} of ${clock(player.length)}`, "missing cut");
  }

  function toggle() {
    if (!current) go(1);
    else player.toggle();
  }

  function go(step, follows = true) {
    let at = current ? songs.indexOf(current) : step > 0 ? -1 : songs.length;
    do at += step; while (songs[at] && !songs[at].row.fits);
    const song = songs[at];
    if (!song) return;
    // The eye and the screen reader come along, unless the song began by itself and the focus is elsewhere.
    const isFree = follows || (document.activeElement === document.body && !list.isFocusAway);
    if (isFree) list.reveal(song.row);
    play(song);
    if (follows) song.element.focus({ preventScroll: true });
    if (isFree) song.element.scrollIntoView({ block: "nearest" });
  }

  function showState(isPlaying) {
    current.element.classList.toggle("playing", isPlaying);
    current.element.querySelector(".play").setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${current.title}`);
  }

  const songOf = (element) => list.rowOf(element).songOf(element);
  byId("toggle").addEventListener("click", toggle);
  byId("next").addEventListener("click", () => go(1));
  byId("previous").addEventListener("click", () => go(-1));
  byId("rows").addEventListener("click", (event) => {
    const button = event.target.closest(".play");
    if (!button) return;
    // By the pointer: the space key shall go on with what plays then, not with this button.
    if (event.detail) button.blur();
    const song = songOf(button);
    song === current ? toggle() : play(song);
    // Its lyrics may just have opened below the player.
    song.element.scrollIntoView({ block: "nearest" });
  });
  // This event does not bubble.
  byId("rows").addEventListener("toggle", ({ target }) => { if (target.open && target.closest(SONGS)) lyricsOf(songOf(target)); }, true);
  if ("mediaSession" in navigator) {
    navigator.mediaSession.setActionHandler("nexttrack", () => go(1, false));
    navigator.mediaSession.setActionHandler("previoustrack", () => go(-1, false));
  }

  // Finding.

  function find() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.fits = (!state || row.state === state) && wanted.every((word) => row.words.includes(word));
    const found = rows.filter((row) => row.fits);
    list.show(found);
    byId("nothing").hidden = found.length > 0;
    byId("shown").textContent = `${found.length} of ${rows.length} requests fit`;
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
  find();
  document.documentElement.classList.add("ready");
  performance.mark("ready");
});
