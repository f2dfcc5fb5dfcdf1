// A line of CHANGELOG.md is the sentence that somebody wrote, without the hash of its commit.
module.exports = {
  getReleaseLine: async ({ summary }) => `- ${summary.trim().replaceAll('\n', '\n  ')}`,
  getDependencyReleaseLine: async () => '',
};
