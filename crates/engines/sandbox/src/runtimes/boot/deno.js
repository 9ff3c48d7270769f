// Runs inside the sandbox, before anything is known of the program: announces itself, reads one message
// (length, JSON) from standard input, and imports the program, which lies in the workspace.
// The end of input before the message: nobody needs this interpreter. In its middle: something is wrong.
const exactly = (count, unneeded = 70) => {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const got = Deno.stdin.readSync(bytes.subarray(at));
    if (got === null) Deno.exit(at ? 70 : unneeded);
    at += got;
  }
  return bytes;
};
Deno.stdout.writeSync(new Uint8Array([6]));
const length = new DataView(exactly(4, 0).buffer).getUint32(0, true);
const message = JSON.parse(new TextDecoder().decode(exactly(length)));
for (const name of Object.keys(Deno.env.toObject())) Deno.env.delete(name);
for (const [name, value] of Object.entries(message.env)) Deno.env.set(name, value);
Deno.chdir("/workspace");
await import("file:///workspace/" + message.main);
