// A message as its reader sees it.

/** Subject, sender, time and body of a quoted-printable message in UTF-8. */
export function plain(eml) {
  const [head, ...rest] = eml.replaceAll("\r\n", "\n").split("\n\n");
  const headers = head.replace(/\n[ \t]+/g, " ").split("\n");
  if (!headers.includes("Content-Transfer-Encoding: quoted-printable")) {
    throw new Error(`expected a quoted-printable message:\n${head}`);
  }
  const shown = headers.filter((line) => /^(From|To|Subject|Date):/.test(line));
  const bytes = rest
    .join("\n\n")
    .replace(/=\n/g, "")
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return `${shown.join("\n")}\n\n${Buffer.from(bytes, "latin1").toString("utf8").trimEnd()}\n`;
}
