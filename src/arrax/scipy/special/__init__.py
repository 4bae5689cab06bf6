"""`arrax.scipy.special`: special functions."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.special.bessel import bessel_jn, i0, i0e, i1, i1e
from arrax.scipy.special.complex_plane import sph_harm_y, wofz
from arrax.scipy.special.elementary import (boxcox, boxcox1p, entr, expit, kl_div, log_softmax,
                                            logit, logsumexp, rel_entr, softmax, xlog1py, xlogy)
from arrax.scipy.special.gammas import (bernoulli, beta, betainc, betaln, comb, digamma, factorial,
                                        gamma, gammainc, gammaincc, gammaln, gammasgn, loggamma,
                                        multigammaln, poch, polygamma, zeta)
from arrax.scipy.special.hypergeometric import hyp1f1, hyp2f1
from arrax.scipy.special.integrals import exp1, expi, expn, fresnel, sici, spence
from arrax.scipy.special.normal import (dawsn, erf, erfc, erfcx, erfinv, log_ndtr, ndtr, ndtri,
                                        owens_t)

__all__ = [
    "bernoulli", "bessel_jn", "beta", "betainc", "betaln", "boxcox", "boxcox1p", "comb",
    "dawsn", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp1", "expi", "expit",
    "expn", "factorial", "fresnel", "gamma", "gammainc", "gammaincc", "gammaln", "gammasgn",
    "hyp1f1", "hyp2f1", "i0", "i0e", "i1", "i1e", "kl_div", "log_ndtr", "log_softmax",
    "loggamma", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "owens_t", "poch",
    "polygamma", "rel_entr", "sici", "softmax", "spence", "sph_harm_y", "wofz", "xlog1py",
    "xlogy", "zeta"]
__dir__ = _listing(__name__)
