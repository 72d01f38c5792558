TITLE can: N-type calcium current

COMMENT
Calcium current of pyramidal cells: gates m (activation, squared) and h (inactivation), blocked by
internal calcium, driven by a Goldman-Hodgkin-Katz force.

Source: M. Migliore, in the CA3 model of Safiulina et al. (ModelDB 126814).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the thermal voltage of the driving force is 25 mV at 293.15 K, not RT/F;
- taum has rate functions of its own, unrelated to those that give minf, and 0.0378/mV stands in
  them at any temperature; its floor (0.2 ms) is divided by the temperature factor;
- tauh is 80 ms at any voltage and temperature.
The removable singularity of minf at 19.88 mV is closed.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX can
    USEION ca READ cai, cao WRITE ica
    RANGE gcanbar, gcan, ica, minf, taum, hinf, tauh
    GLOBAL USEGHK
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gcanbar = 0.0003 (S/cm2)  : maximal conductance, unblocked
    USEGHK = 1 (1)            : 1: GHK driving force; otherwise ohmic with a reversal of 100 mV
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    cao (mM)
    ica (mA/cm2)
    gcan (S/cm2)
    minf (1)
    taum (ms)
    hinf (1)
    tauh (ms)
    qt (1)
}

STATE { m h }

INITIAL {
    qt = 5^((celsius - 25(degC))/10(degC))
    rates(v)
    m = minf
    h = hinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    gcan = gcanbar*m*m*h*0.001(mM)/(0.001(mM) + cai)
    if (USEGHK == 1) {
        ica = gcan*ghk(v, cai, cao)
    } else {
        ica = gcan*(v - 100(mV))
    }
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/taum
    h' = (hinf - h)/tauh
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL alpha, z
    alpha = 0.1967*linoid(19.88 - v, 10)
    minf = alpha/(alpha + 0.046*exp(-v/20.73))

    z = 0.0378*2*(v + 14)
    taum = exp(0.1*z)/(qt*0.03*(1 + exp(z)))
    if (taum < 0.2/qt) { taum = 0.2/qt }

    alpha = 1.6e-4*exp(-v/48.4)
    hinf = alpha/(alpha + 1/(exp((39 - v)/10) + 1))
    tauh = 80
}

FUNCTION linoid(x, q) {  : x/(exp(x/q) - 1)
    if (fabs(x) > 1e-6) {
        linoid = x/(exp(x/q) - 1)
    } else {
        linoid = q - x/2
    }
}

FUNCTION ghk(v (mV), ci (mM), co (mM)) (mV) {
    LOCAL f, nu, expnu, eps
    f = 25/293.15*(celsius + 273.15)/2
    nu = v/f
    expnu = exp(nu)
    if (fabs(nu) < 1e-4) {
        eps = 1 - nu/2
    } else {
        eps = nu/(expnu - 1)
    }
    ghk = -f*(1 - ci/co*expnu)*eps
}
UNITSON
