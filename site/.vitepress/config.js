import { slugify } from '../pages.js';
import { guides, korean, reference } from '../sidebar.js';

// Files of the examples, which are no pages.
process.env.VITE_EXTRA_EXTENSIONS = 'prisma,sql';

const { description } = (await import('../../package.json', { with: { type: 'json' } })).default;

export default {
  title: 'coupon-issuer',
  description,
  base: process.env.SITE_BASE ?? '/',
  srcDir: 'pages',
  outDir: 'dist',
  cacheDir: 'node_modules/.cache/vitepress',
  lang: 'en',
  // A browser asks for no icon then.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  // Links to headings are those that the pages have where they are read as they are.
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    headers: { slugify },
    theme: { light: 'github-light', dark: 'github-dark' },
  },
  locales: {
    root: { label: 'English', lang: 'en' },
    ko: {
      label: '한국어',
      lang: 'ko',
      themeConfig: {
        nav: [
          { text: '쿠폰 사용', link: '/ko/redeeming' },
          { text: '운영', link: '/ko/operating' },
          { text: '레퍼런스', link: '/reference/' },
        ],
        sidebar: [...korean(), ...guides()],
        outline: { level: [2, 3], label: '이 페이지에서' },
        docFooter: { prev: '이전', next: '다음' },
        darkModeSwitchLabel: '화면 모드',
        sidebarMenuLabel: '메뉴',
        returnToTopLabel: '맨 위로',
        langMenuLabel: '언어',
      },
    },
  },
  themeConfig: {
    nav: [
      { text: 'Redeeming', link: '/redeeming' },
      { text: 'Operating', link: '/operating' },
      { text: 'Errors', link: '/errors' },
      { text: 'Reference', link: '/reference/' },
      { text: 'llms.txt', link: '/llms.txt', target: '_blank', noIcon: true },
    ],
    sidebar: { '/reference/': [{ text: 'Reference', items: reference() }], '/': guides() },
    outline: { level: [2, 3] },
    // Most pages are in English alone: the switch leads to the start page.
    i18nRouting: false,
    search: {
      provider: 'local',
      options: {
        // A guide explains a word; the reference has it many times.
        miniSearch: { searchOptions: { boostDocument: (id) => (id.includes('/reference/') ? 0.3 : 1) } },
        locales: {
          ko: {
            translations: {
              button: { buttonText: '검색', buttonAriaLabel: '검색' },
              modal: {
                noResultsText: '결과가 없습니다:',
                resetButtonTitle: '지우기',
                footer: { selectText: '선택', navigateText: '이동', closeText: '닫기' },
              },
            },
          },
        },
      },
    },
  },
};
