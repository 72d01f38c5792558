TITLE Nafx: fast sodium current with an attenuation gate

COMMENT
Fast sodium current of interneurons: gates m (activation, cubed), h (inactivation) and s (slow
attenuation, of a depth set by ar2).

Source: K. Sidiropoulou (2007); the attenuation gate comes from another channel file (hha2).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose:
- the reversal is 55 mV, although ena is declared as read;
- the opening rate of h has a slope of 1 mV, so that htau becomes tiny at negative voltages;
- at isolated voltages (1e-4 mV either side) the rates take values that are not the limits of the
  formulas around them;
- temperature acts on stau alone, through rounded constants (kt is F/RT in 1/mV).
With ar2 = 1, as in published cells, s is always 1.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Nafx
    USEION na READ ena WRITE ina
    RANGE gnafbar, ar2, gna, ina, minf, mtau, hinf, htau, sinf, stau
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gnafbar = 0 (S/cm2)  : maximal conductance
    ar2 = 1 (1)          : what the attenuation leaves: 1 none, 0 full
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ena (mV)
    ina (mA/cm2)
    gna (S/cm2)
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
    rates(v)
    m = minf
    h = hinf
    s = sinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    gna = gnafbar*m*m*m*h*s
    ina = gna*(v - 55(mV))
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
    s' = (sinf - s)/stau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL alpha, beta, z
    alpha = 0.2816*linoid(-(v + 28), 9.3)
    beta = 0.2464*linoid(v + 1, 6)
    mtau = 1/(alpha + beta)
    minf = alpha*mtau

    if (fabs(v + 40.1) < 1e-4) {
        alpha = 0.098*(20 + 0.5*(v + 40.1))
    } else {
        alpha = 0.098*exp(-(v + 40.1 + 2.155))
    }
    if (fabs(v + 13.1) < 1e-4) {
        beta = 1.4*(10 + 0.5*(v + 13.1))
    } else {
        beta = 1.4/(1 + exp(-v/10))
    }
    htau = 1/(alpha + beta)
    hinf = alpha*htau

    z = 1/(1 + exp((v + 58)/2))
    sinf = z + ar2*(1 - z)
    z = 12*kt*(v + 60)
    stau = exp(0.2*z)/(0.0003*(1 + exp(z)))
    if (stau < 30) { stau = 30 }
}

FUNCTION linoid(x, q) {  : x/(exp(x/q) - 1)
    if (fabs(x) < 1e-4) {
        linoid = q + 0.5*x
    } else {
        linoid = x/(exp(x/q) - 1)
    }
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
