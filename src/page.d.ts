/** The page of the dashboard, bundled at build time, and the hashes of its script and its style. */
declare module '*/dashboard.html' {
  const page: { readonly html: string; readonly scriptHash: string; readonly styleHash: string };
  export default page;
}
