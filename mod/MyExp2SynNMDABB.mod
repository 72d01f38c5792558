TITLE MyExp2SynNMDABB: NMDA synapse with magnesium block and calcium influx

COMMENT
Each event of weight w (uS) adds a conductance that rises with tau1NMDA, decays with tau2NMDA and,
unblocked, peaks at w*r. Magnesium blocks it at once, depending on voltage. The share fracca of it
carries calcium, driven by a Goldman-Hodgkin-Katz force; the rest is ohmic.

Source: magnesium block of Jahr & Stevens, J. Neurosci. (1990); calcium fraction after Spruston et
al. (1995).
Units: mV, ms, uS, nA, mM.

Kept on purpose: e does not act on the calcium part; r scales weights on arrival and, if negative,
drops events; a tau1NMDA that is not well below tau2NMDA is overwritten with 0.9999 tau2NMDA; smax
and Vwt are not used.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS MyExp2SynNMDABB
    USEION ca READ cai, cao WRITE ica
    NONSPECIFIC_CURRENT iNMDA
    RANGE tau1NMDA, tau2NMDA, e, r, sNMDAmax, smax, Vwt, iNMDA, ica, sNMDA, g
    GLOBAL fracca
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
    (mM) = (milli/liter)
    FARADAY = (faraday) (coul)
    R = (k-mole) (joule/degC)
}

PARAMETER {
    tau1NMDA = 15 (ms)   : rise
    tau2NMDA = 150 (ms)  : decay
    e = 0 (mV)           : reversal potential of the part that is not calcium
    r = 1 (1)            : scale of event weights
    sNMDAmax = 1e9 (uS)  : saturation level of sNMDA
    smax = 1e9 (1)       : unused
    Vwt = 0 (1)          : unused
    fracca = 0.13 (1)    : share of the conductance that carries calcium
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    cao (mM)
    iNMDA (nA)
    ica (nA)
    sNMDA (uS)  : conductance without the block
    g (uS)
    factor (1)  : brings the peak of a single event to its weight
}

STATE {
    A2 (uS)
    B2 (uS)
}

INITIAL {
    LOCAL tp
    if (tau1NMDA/tau2NMDA > 0.9999) { tau1NMDA = 0.9999*tau2NMDA }
    tp = tau1NMDA*tau2NMDA/(tau2NMDA - tau1NMDA)*log(tau2NMDA/tau1NMDA)
    factor = 1/(exp(-tp/tau2NMDA) - exp(-tp/tau1NMDA))
    A2 = 0
    B2 = 0
    Vwt = 0
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    sNMDA = B2 - A2
    if (sNMDA > sNMDAmax) { sNMDA = sNMDAmax }
    g = sNMDA/(1 + 0.28*exp(-0.062(/mV)*v))
    iNMDA = g*(v - e)*(1 - fracca)
    ica = g*ghk(v, cai, cao)*fracca
}

DERIVATIVE states {
    A2' = -A2/tau1NMDA
    B2' = -B2/tau2NMDA
}

NET_RECEIVE(w (uS)) {
    if (r >= 0) {
        A2 = A2 + factor*w*r
        B2 = B2 + factor*w*r
    }
}

UNITSOFF
FUNCTION ghk(v (mV), ci (mM), co (mM)) (mV) {
    LOCAL f, nu, expnu, eps
    f = R*(celsius + 273.15)/(2e-3*FARADAY)
    nu = v/f
    expnu = exp(nu)
    if (fabs(nu) < 1e-4) {
        eps = 1 - nu/2
    } else {
        eps = nu/(expnu - 1)
    }
    ghk = f*(ci/co*expnu - 1)*eps
}
UNITSON
