TITLE kBK: large-conductance calcium-activated potassium current

COMMENT
BK current of pyramidal cells. Calcium sets both the ceiling and the half-voltage of the gate p.

Source: Gong et al. (2001), Womack & Khodakhah (2002), adapted to layer V after Benhassine & Berger
(2005); ModelDB 168148.
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the channel sees cai times scale (100), so that half activation is at 2e-5 mM of cai;
- caVhk, scale and pinfmin are GLOBAL, everything else is per segment;
- no temperature dependence.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kBK
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gpeak, caPh, caPk, caPmax, caPmin, caVhh, caVhmax, caVhmin, k, tau, pinf
    GLOBAL caVhk, scale, pinfmin
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gpeak = 0.0268 (S/cm2)  : maximal conductance
    caPh = 2e-3 (mM)        : ceiling of p: half-concentration,
    caPk = 1 (1)            :   Hill coefficient,
    caPmax = 1 (1)          :   value at high calcium,
    caPmin = 0 (1)          :   value at zero calcium
    caVhh = 2e-3 (mM)       : half-voltage of p: half-concentration,
    caVhk = -0.94208 (1)    :   Hill coefficient,
    caVhmax = 155.67 (mV)   :   value at zero calcium,
    caVhmin = -46.08 (mV)   :   value at high calcium
    k = 17 (mV)             : slope
    tau = 1 (ms)            : time constant of p
    scale = 100 (1)         : factor applied to cai
    pinfmin = 0 (1)         : pinf below this is taken as 0
}

ASSIGNED {
    v (mV)
    ek (mV)
    cai (mM)
    ik (mA/cm2)
    pinf (1)
}

STATE { p }

INITIAL {
    rates(v, cai)
    p = pinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gpeak*p*(v - ek)
}

DERIVATIVE states {
    rates(v, cai)
    p' = (pinf - p)/tau
}

UNITSOFF
PROCEDURE rates(v (mV), ci (mM)) {
    LOCAL cs, top, vh
    cs = scale*ci
    if (cs < 1e-18) {
        top = caPmin
        vh = caVhmax
    } else {
        top = caPmin + (caPmax - caPmin)/(1 + (caPh/cs)^caPk)
        vh = caVhmin + (caVhmax - caVhmin)/(1 + (caVhh/cs)^caVhk)
    }
    pinf = top/(1 + exp((vh - v)/k))
    if (pinf < pinfmin) { pinf = 0 }
}
UNITSON
