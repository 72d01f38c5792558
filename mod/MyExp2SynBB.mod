TITLE MyExp2SynBB: synapse with a double-exponential conductance

COMMENT
Each event of weight w (uS) adds a conductance that rises with tau1, decays with tau2 and peaks
at w. The total saturates at gmax. AMPA and GABA synapses of the published network use it.

Source: none named (S. Neymotin 2010, variant of NEURON's two-exponential synapse).
Units: mV, ms, uS, nA.

Kept on purpose: a tau1 that is not well below tau2 is overwritten with 0.9999 tau2; Vwt, a slot for
plasticity rules, is set to 0 and not used; no temperature dependence.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS MyExp2SynBB
    NONSPECIFIC_CURRENT i
    RANGE tau1, tau2, e, gmax, Vwt, i, g
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    tau1 = 0.1 (ms) <1e-9, 1e9>  : rise
    tau2 = 10 (ms) <1e-9, 1e9>   : decay
    e = 0 (mV)                   : reversal potential
    gmax = 1e9 (uS)              : saturation level
    Vwt = 0 (1)                  : unused
}

ASSIGNED {
    v (mV)
    i (nA)
    g (uS)
    factor (1)  : brings the peak of a single event to its weight
}

STATE {
    A (uS)
    B (uS)
}

INITIAL {
    LOCAL tp
    if (tau1/tau2 > 0.9999) { tau1 = 0.9999*tau2 }
    tp = tau1*tau2/(tau2 - tau1)*log(tau2/tau1)
    factor = 1/(exp(-tp/tau2) - exp(-tp/tau1))
    A = 0
    B = 0
    Vwt = 0
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    g = B - A
    if (g > gmax) { g = gmax }
    i = g*(v - e)
}

DERIVATIVE states {
    A' = -A/tau1
    B' = -B/tau2
}

NET_RECEIVE(w (uS)) {
    A = A + w*factor
    B = B + w*factor
}
