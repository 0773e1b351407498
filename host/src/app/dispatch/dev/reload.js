// Loads this page anew as soon as `waterspout dev` has something newer to show.
(() => {
  let version = document.currentScript.dataset.version;
  let asking = null;
  const ask = async () => {
    // A page that nobody sees asks for nothing: a browser has few connections for one host.
    if (document.hidden || asking) return;
    asking = new AbortController();
    try {
      const answer = await fetch(`/.waterspout/reload?version=${version}`, {
        cache: "no-store",
        signal: asking.signal,
      });
      if (answer.status === 200) {
        const newer = await answer.text();
        const key = `waterspout ${location.href}`;
        // Once for each version: what a service worker has kept stays as old as it is.
        if (sessionStorage.getItem(key) !== newer) {
          sessionStorage.setItem(key, newer);
          return location.reload();
        }
        version = newer;
      }
      // What serves here now is not `dev`.
      if (answer.status === 404) return;
    } catch {
      // The server is away for a moment, or the page is hidden.
    }
    asking = null;
    setTimeout(ask, 1000);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? asking?.abort() : ask()));
  ask();
})();
