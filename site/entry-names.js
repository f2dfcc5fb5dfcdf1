// A plugin of typedoc: a module is called as its users import it, and not by the folder of its sources.
import { Converter, ReflectionKind } from 'typedoc';

const NAMES = { index: 'coupon-issuer', 'read-codes': 'coupon-issuer/codes' };

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      module.name = NAMES[module.name] ?? `coupon-issuer/${module.name.replace('persistence/', '')}`;
    }
  });
}
