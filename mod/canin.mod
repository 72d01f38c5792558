TITLE canin: N-type calcium current of interneurons

COMMENT
Calcium current with gates m (activation, squared) and h (inactivation), blocked by internal
calcium, ohmic in eca.

Source: after Borg-Graham; M. Markaki (2003 update).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- a third gate s follows calcium but does not enter the current, which is blocked instantly;
- the time constants are plain numbers, temperature enters through the slopes alone (kt is F/RT in
  1/mV, of rounded constants).
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX canin
    USEION ca READ cai, eca WRITE ica
    RANGE gcalbar, po, ica, minf, mtau, hinf, htau, sinf, stau
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gcalbar = 0 (S/cm2)  : maximal conductance, unblocked
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    eca (mV)
    ica (mA/cm2)
    po (1)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
    sinf (1)
    stau (ms)
    kt (1/mV)
}

STATE { m h s }

INITIAL {
    kt = thermal(celsius)
    rates(v, cai)
    m = minf
    h = hinf
    s = sinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    po = m*m*h
    ica = gcalbar*po*0.025(mM)/(0.025(mM) + cai)*(v - eca)
}

DERIVATIVE states {
    rates(v, cai)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
    s' = (sinf - s)/stau
}

UNITSOFF
PROCEDURE rates(v (mV), ci (mM)) {
    LOCAL r
    minf = 1/(1 + exp(-3.4*kt*(v + 21)))
    mtau = 1.5
    hinf = 1/(1 + exp(2*kt*(v + 40)))
    htau = 75
    r = (0.025/ci)*(0.025/ci)
    sinf = r/(r + 1)
    stau = 2
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
