const SONGS = ".song:not(.silent)"; // those that can be played

// A request on the page: its element is there from the start, or made of its data whenever it is needed.
class Row {
  constructor(element, data, make) {
    [this.made, this.data, this.make] = [element, data, make];
    this.state = data ? data.state : element.dataset.state;
    const count = data ? data.songs.filter((song) => song.audio).length : element.querySelectorAll(SONGS).length;
    this.songs = Array.from({ length: count }, (_, at) => new Song(this, at));
    this.fits = true; // what is searched for
    this.height = 0; // in pixels, with the space below; 0 until it is measured
  }

  get element() {
    this.made ??= this.make(this);
    return this.made;
  }

  // Its words, read once, when they are first asked for.
  get words() {
    this.found ??= (this.data ? textsOf(this.data) : textsIn(this.element)).join("\n").toLowerCase();
    return this.found;
  }

  // The song of an element in it.
  songOf(element) { return this.songs[[...this.element.querySelectorAll(SONGS)].indexOf(element.closest(".song"))]; }
}

// A song that can be played.
class Song {
  constructor(row, at) { [this.row, this.at] = [row, at]; }

  get element() { return this.row.element.querySelectorAll(SONGS)[this.at]; }

  get title() { return this.element.querySelector(".title").textContent; }
}

const textsIn = (element) => [...element.querySelectorAll(".find")].map((part) => part.textContent);
const textsOf = ({ key, request = "", songs }) => [key, request, ...songs.flatMap(({ title, tags = "", lyrics = "" }) => [title, tags, lyrics])];

function addNote(song, text, name = "missing") {
  const note = document.createElement("span");
  note.className = name;
  note.textContent = text;
  song.querySelector(".facts").append(note);
}

// Sets the text of the part of a specimen, or removes it where there is none.
function fill(whole, selector, text) {
  const part = whole.querySelector(selector);
  if (text) part.textContent = text;
  else part.remove();
  return part;
}

// The same for a link, an image or a button, with its name for screen readers.
function link(whole, selector, attribute, address, name) {
  const part = whole.querySelector(selector);
  if (!address) part.remove();
  else if (attribute) part.setAttribute(attribute, address);
  if (name) part.setAttribute("aria-label", name);
}

// Makes a row of its data and a specimen: a row with every part that one can have. The template, which writes the rows
// of small pages, has written the specimen too.
function makeRow(specimen, data, meaning) {
  const row = specimen.cloneNode(true);
  row.dataset.state = data.state;
  row.classList.toggle("troubled", Boolean(data.explanation));
  for (const name of ["number", "key", "operation", "cost"]) fill(row, `.${name}`, data[name]);
  fill(row, ".task", data.task_id);
  const state = fill(row, ".state", data.state);
  [state.className, state.title] = [`state ${data.state}`, meaning];
  fill(row, ".reason:not(.twice)", data.explanation);
  if (data.paid_twice) fill(row, ".twice span", data.paid_twice);
  else row.querySelector(".twice").remove();
  const songs = row.querySelector(".songs");
  const copied = songs.querySelector(".song");
  if (data.songs.length) songs.replaceChildren(...data.songs.map((song) => makeSong(copied, song, data.state)));
  else songs.remove();
  const others = row.querySelector(".others");
  if (data.others) others.lastElementChild.replaceWith(...data.others.flatMap((file) => [makeLink(...file), " "]));
  else others.remove();
  const request = row.querySelector(".request");
  if (data.request) fill(request, "pre", data.request).setAttribute("aria-label", `The request of ${data.key}`);
  else request.remove();
  return document.adoptNode(row);
}

function makeSong(specimen, data, state) {
  const song = specimen.cloneNode(true);
  song.setAttribute("aria-label", data.title);
  song.classList.toggle("silent", !data.audio);
  if (data.seconds) song.dataset.seconds = data.seconds;
  else delete song.dataset.seconds;
  link(song, "img", "src", data.cover);
  link(song, ".play", null, data.audio, `Play ${data.title}`);
  fill(song, ".title", data.title);
  fill(song, ".tags", data.tags);
  fill(song, ".length", data.duration);
  fill(song, ".model", data.model);
  link(song, ".audio", "href", data.audio, `Audio file of ${data.title}`);
  link(song, ".known", "href", data.about, `All that is known of ${data.title}`);
  if (data.stored) addNote(song, data.stored, "stored");
  else if (!data.audio && state === "saved") addNote(song, "its file is not in this folder");
  const lyrics = fill(song, ".lyrics", data.lyrics);
  if (!data.lyrics) song.querySelector("details").remove();
  else if (data.times) lyrics.dataset.times = data.times;
  else {
    lyrics.removeAttribute("data-times");
    fill(song, "summary", "Lyrics");
  }
  return song;
}

function makeLink(name, address) {
  const made = document.createElement("a");
  [made.href, made.textContent] = [address, name];
  return made;
}

// All rows of the page, of its data where it has any.
function readRows(list, meanings) {
  const data = document.getElementById("data");
  if (!data) return [...list.children].map((element) => new Row(element));
  const specimen = document.getElementById("specimen").content.firstElementChild;
  const rows = JSON.parse(data.textContent).map((one) => new Row(null, one, () => makeRow(specimen, one, meanings[one.state])));
  data.remove(); // its text is as large as the page
  return rows;
}

// A list of which only the rows near the window are in the page; the gaps before and after it are as high as the others.
class RowList {
  static MARGIN = 1000; // pixels above and below the window
  static FIRST = 10; // rows that are drawn before the height of any is known
  static KEPT = ".song details[open], .request:not([open]), .current, .cut, :focus"; // what a new element would not have

  constructor(list, onEnter) {
    [this.list, this.onEnter] = [list, onEnter];
    [this.before, this.after] = [list.previousElementSibling, list.nextElementSibling];
    [this.rows, this.drawn, this.first] = [[], [], -1];
    this.left = null; // what had the focus when its row left the page
    this.usual = 0; // the height of a row that was never measured
    this.width = list.clientWidth;
    addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(document.body);
    document.addEventListener("focusin", () => { this.left = null; });
  }

  // Shows these rows and no others, from the first one.
  show(rows) {
    for (const row of this.drawn) this.leave(row);
    this.list.replaceChildren();
    [this.rows, this.drawn, this.first] = [rows, [], -1];
    if (this.before.getBoundingClientRect().top < 0) this.before.scrollIntoView();
    this.draw();
  }

  // Has a row in the page, and near it what the user would see there.
  reveal(row) {
    if (this.drawn.includes(row)) return;
    const place = this.before.getBoundingClientRect().top + this.heightOf(this.rows.slice(0, this.rows.indexOf(row)));
    scrollBy({ top: place - innerHeight / 3, behavior: "instant" });
    this.draw();
  }

  rowOf(element) { return this.drawn.find((row) => row.element.contains(element)); }

  // Whether the focus is in a row that left the page.
  get isFocusAway() { return this.left !== null; }

  heightOf(rows) { return rows.reduce((sum, row) => sum + (row.height || this.usual), 0); }

  draw() {
    if (this.list.clientWidth !== this.width) this.resize();
    // New rows are not as high as they were expected to be: there may be room for more.
    for (let turn = 0; turn < 10 && this.drawOnce(); turn += 1);
  }

  drawOnce() {
    this.measure();
    const top = this.before.getBoundingClientRect().top;
    const [first, last] = this.near(-top - RowList.MARGIN, innerHeight - top + RowList.MARGIN);
    if (first === this.first && last - first === this.drawn.length) return false;
    const page = document.documentElement;
    const isAtEnd = scrollY > 0 && scrollY + innerHeight >= page.scrollHeight - 2;
    const rows = this.rows.slice(first, last);
    const isFar = !this.drawn.some((row) => rows.includes(row));
    this.keepPlace(rows, () => {
      this.replace(rows, first);
      this.fit();
    });
    if (isFar && isAtEnd) scrollTo({ top: page.scrollHeight, behavior: "instant" });
    return true;
  }

  // What is in the window, of these rows, stays where it is. The browser would do the same, with what it chooses itself.
  keepPlace(rows, change) {
    const { style } = document.documentElement;
    const topOf = (row) => row.element.getBoundingClientRect().top;
    const staying = this.drawn.filter((row) => rows.includes(row));
    const anchor = staying.findLast((row) => topOf(row) <= 0) ?? staying[0];
    const before = anchor && topOf(anchor);
    style.overflowAnchor = "none";
    change();
    const moved = anchor ? topOf(anchor) - before : 0;
    if (Math.abs(moved) >= 1) scrollBy({ top: moved, behavior: "instant" });
    style.overflowAnchor = "";
  }

  measure() {
    const tops = [...this.list.children, this.after].map((element) => element.getBoundingClientRect().top);
    for (const [at, row] of this.drawn.entries()) row.height = tops[at + 1] - tops[at];
    if (!this.usual && this.drawn.length) this.usual = (tops.at(-1) - tops[0]) / this.drawn.length;
  }

  // In a window of another width all rows have other heights.
  resize() {
    this.width = this.list.clientWidth;
    this.usual = 0;
    for (const row of this.rows) row.height = 0;
    this.measure();
    this.keepPlace(this.drawn, () => this.fit());
  }

  // The rows between two places of the list: the number of the first, and that of the one after the last.
  near(from, to) {
    if (!this.usual) return [0, Math.min(RowList.FIRST, this.rows.length)];
    let [at, end] = [0, 0];
    const skip = (place) => { while (at < this.rows.length && end < place) end += this.rows[at++].height || this.usual; };
    skip(from);
    const first = Math.max(0, at - 1);
    skip(to);
    return [first, at];
  }

  fit() {
    this.measure();
    this.before.style.height = `${this.heightOf(this.rows.slice(0, this.first))}px`;
    this.after.style.height = `${this.heightOf(this.rows.slice(this.first + this.drawn.length))}px`;
  }

  replace(rows, first) {
    for (const row of this.drawn) if (!rows.includes(row)) this.leave(row);
    const entered = rows.filter((row) => !row.made?.isConnected);
    let place = this.list.firstElementChild;
    for (const [at, row] of rows.entries()) {
      if (row.element === place) place = place.nextElementSibling;
      else this.list.insertBefore(row.element, place);
      row.element.setAttribute("aria-posinset", first + at + 1);
      row.element.setAttribute("aria-setsize", this.rows.length);
    }
    [this.drawn, this.first] = [rows, first];
    for (const row of entered) this.enter(row);
  }

  enter(row) {
    if (row.element.contains(this.left)) this.left.focus({ preventScroll: true });
    this.onEnter(row);
  }

  leave(row) {
    const { element } = row;
    if (element.contains(document.activeElement)) this.left = document.activeElement;
    // Before it is removed: it has no focus then.
    const isKept = element.querySelector(RowList.KEPT) !== null;
    element.remove();
    if (row.data && !isKept) row.made = null;
  }

  // Forgets the element of a row that was made for its song alone.
  release(row) { if (!row.made?.isConnected) this.leave(row); }
}
