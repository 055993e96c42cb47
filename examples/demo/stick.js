/**
 * Keeps a scrolling list at its end while the reader is there, through new entries and changes of size;
 * leaves it alone once the reader has scrolled up. Returns `settle`, to be called after the content changed.
 */
export function stickToEnd(list, slack = 40) {
  let atEnd = true;
  let size = '';
  const sizeNow = () => `${list.clientWidth} ${list.clientHeight}`;
  const settle = () => {
    size = sizeNow();
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  list.addEventListener('scroll', () => {
    if (size !== sizeNow()) return; // the browser's own doing, after a change of size
    atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < slack;
  });
  new ResizeObserver(settle).observe(list);
  return (force = false) => {
    atEnd ||= force;
    settle();
  };
}
