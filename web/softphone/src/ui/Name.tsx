/** A name that may break after its dots, dashes and the like, rather than within a word. */
export function Name({ text }: { text: string }) {
  const parts = text.split(/(?<=[._@-])/);
  return (
    <>
      {parts.map((part, at) => (
        <span key={at}>
          {part}
          {at < parts.length - 1 && <wbr />}
        </span>
      ))}
    </>
  );
}
