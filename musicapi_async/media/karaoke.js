document.addEventListener("DOMContentLoaded", () => {
  const [bar, element, message] = [document.querySelector(".player"), document.getElementById("lyrics"), document.getElementById("message")];
  const { audio: first, finished, length } = element.dataset;
  const [PROBE, STALLED] = [5000, 10]; // milliseconds; seconds

  const say = (text) => { if (message.textContent !== text) message.textContent = text; };
  bar.hidden = false;
  const player = new Player(bar, {
    onEnd: (isCut) => {
      if (isCut) say(`The audio ends at ${clock(player.reached)} of ${clock(player.length)}: it is not the whole song.`);
    },
    onError: () => say("The audio cannot be played: is its file still where it was?"),
    onState: (isPlaying) => { if (isPlaying) say(""); },
  });
  const lyrics = new SungLyrics(element, (seconds) => {
    player.seek(seconds);
    player.play();
  }, bar.offsetHeight);
  player.load(first, Number(length), lyrics);
  document.getElementById("toggle").addEventListener("click", () => player.toggle());
  document.addEventListener("keydown", (event) => {
    const isBusy = event.target.closest("button, input, a") !== null;
    if (event.key !== " " || isBusy || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    player.toggle();
  });
  if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: document.title });

  // A stream of a song that is still being made: the page moves to the finished file as soon as that is there. A broken
  // stream reports no error, so that the time itself is watched.
  function probe() {
    const trial = new Audio();
    trial.preload = "metadata";
    trial.addEventListener("loadedmetadata", () => player.move(finished));
    trial.addEventListener("error", () => setTimeout(probe, PROBE));
    trial.src = finished;
  }
  // Before that, it would delay the page.
  if (finished) addEventListener("load", probe);
  let [before, seconds] = [0, 0];
  setInterval(() => {
    seconds = player.audio.paused || player.time !== before ? 0 : seconds + 1;
    before = player.time;
    if (seconds === STALLED) say("Waiting for more of the song");
    else if (!seconds && !player.audio.paused) say("");
  }, 1000);
});
