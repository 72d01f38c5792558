TITLE ican: slow calcium-activated cation current

COMMENT
Cation current with one gate m (squared) that internal calcium opens; voltage does not move it.

Source: Partridge & Swandulla, TINS 11:69 (1988); Destexhe et al., J. Neurophysiol. 72:803 (1994);
Sidiropoulou (2010), ModelDB 144089; revised by S. Neymotin (2016).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose: ina is not a share of i but comes in addition, so that the membrane receives 1.7 i;
ena is not read, both currents reverse at erev.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX ican
    USEION ca READ cai
    USEION na WRITE ina
    NONSPECIFIC_CURRENT i
    RANGE gbar, i, ina, m_inf, tau_m
    GLOBAL beta, cac, taumin, erev
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gbar = 0.0001 (S/cm2)  : maximal conductance
    beta = 1e-4 (1/ms)     : closing rate at 22 degC
    cac = 4e-4 (mM)        : concentration of half activation
    taumin = 0.1 (ms)      : floor of tau_m
    erev = -20 (mV)        : reversal potential
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    i (mA/cm2)
    ina (mA/cm2)
    m_inf (1)
    tau_m (ms)
    qt (1)
}

STATE { m }

INITIAL {
    qt = 3^((celsius - 22(degC))/10(degC))
    rates(cai)
    m = m_inf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    i = gbar*m*m*(v - erev)
    ina = 0.7*i
}

DERIVATIVE states {
    rates(cai)
    m' = (m_inf - m)/tau_m
}

PROCEDURE rates(ci (mM)) {
    LOCAL alpha
    alpha = beta*(ci/cac)*(ci/cac)
    m_inf = alpha/(alpha + beta)
    tau_m = 1/((alpha + beta)*qt)
    if (tau_m < taumin) { tau_m = taumin }
}
