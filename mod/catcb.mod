TITLE catcb: T-type calcium channel without a current

COMMENT
Gates m (activation) and h (inactivation) of a T-type channel that carries no current: ica is a
private value of this mechanism and reaches neither the membrane nor the calcium ion.

Source: Carl Gold (2003 update).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose: nothing is written, since a current would change the published cell.
minf and hinf are GLOBAL names that cell files set (hinf_catcb = ...). They are accepted here and
have no effect; the steady states of the gates are m_inf and h_inf. kt is F/RT in 1/mV, of rounded
constants.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX catcb
    USEION ca READ cai, eca
    RANGE gcatbar, ica, m_inf, mtau, h_inf, htau
    GLOBAL minf, hinf
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gcatbar = 0 (S/cm2)  : conductance of the private value, without effect on the cell
    minf = 0 (1)         : unused
    hinf = 0 (1)         : unused
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    eca (mV)
    ica (mA/cm2)
    m_inf (1)
    mtau (ms)
    h_inf (1)
    htau (ms)
    kt (1/mV)
}

STATE { m h }

INITIAL {
    kt = thermal(celsius)
    rates(v)
    m = m_inf
    h = h_inf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = gcatbar*m*m*h*(v - eca)
}

DERIVATIVE states {
    rates(v)
    m' = (m_inf - m)/mtau
    h' = (h_inf - h)/htau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    m_inf = 1/(1 + exp(-3*kt*(v + 36)))
    mtau = 1.5
    h_inf = 1/(1 + exp(5.2*kt*(v + 68)))
    htau = 10
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
