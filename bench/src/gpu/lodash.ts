import lodash from 'lodash'

// benchmark.js asks for lodash by require, which a page has not, and then for a global of this name.
Object.assign(globalThis, { _: lodash })
