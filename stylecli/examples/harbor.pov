// A harbor in the evening: lighthouse, village, boats, mountains.
//
//   povray +Iharbor.pov +Oharbor.png +W1536 +H1024 +A0.2 -D
//   convert harbor.png -resize 768x512 -strip -quality 84 harbor.jpg

#version 3.7;
#include "functions.inc"

global_settings { assumed_gamma 1.0 max_trace_level 8 }

#declare Dice = seed(11);
#macro Between(A, B) (A + (B - A) * rand(Dice)) #end

// ---------------------------------------------------------------- light and air

camera {
  location <0, 4.6, -19>
  right x * image_width / image_height
  look_at <0.6, 5.7, 20>
  angle 52
}

light_source { <-420, 230, -260> color srgb <1.0, 0.84, 0.63> * 1.75 }
light_source { <300, 400, -300> color srgb <0.42, 0.54, 0.80> * 0.55 shadowless }
light_source { <0, 500, 200> color srgb <0.55, 0.60, 0.80> * 0.25 shadowless }

fog { distance 900 color srgb <0.88, 0.76, 0.68> fog_type 2 fog_offset 0 fog_alt 40 }

sky_sphere {
  pigment {
    gradient y
    color_map {
      [0.00 color srgb <1.00, 0.80, 0.52>]
      [0.06 color srgb <0.98, 0.72, 0.52>]
      [0.13 color srgb <0.78, 0.66, 0.67>]
      [0.22 color srgb <0.44, 0.56, 0.74>]
      [0.42 color srgb <0.20, 0.38, 0.66>]
      [0.80 color srgb <0.10, 0.22, 0.48>]
    }
  }
  pigment {
    wrinkles turbulence 0.55 octaves 6 lambda 2.2 omega 0.55
    color_map {
      [0.00 color srgbt <1, 0.9, 0.8, 1>]
      [0.42 color srgbt <1, 0.9, 0.8, 1>]
      [0.52 color srgbt <0.99, 0.82, 0.68, 0.45>]
      [0.64 color srgbt <1.00, 0.93, 0.82, 0.03>]
      [0.82 color srgbt <0.70, 0.56, 0.62, 0.05>]
    }
    scale <0.62, 0.15, 0.62> rotate <0, 20, 5> translate <0.31, 0.05, 0>
  }
}

// ---------------------------------------------------------------- sea

plane {
  y, 0
  pigment { color srgb <0.03, 0.12, 0.17> }
  normal {
    average normal_map {
      [1.0 bumps 0.32 scale <1.5, 1, 0.42>]
      [0.8 wrinkles 0.30 scale <3.4, 1, 0.9> rotate y * 12]
      [0.5 bumps 0.22 scale <0.34, 1, 0.12> rotate y * -9]
    }
  }
  finish { ambient 0 diffuse 0.5 specular 0.5 roughness 0.004 reflection { 0.10, 0.92 fresnel on } conserve_energy }
  interior { ior 1.33 }
}

// ---------------------------------------------------------------- land

#declare Grass = texture {
  pigment {
    bozo turbulence 0.6
    color_map {
      [0.0 color srgb <0.28, 0.36, 0.13>]
      [0.4 color srgb <0.46, 0.48, 0.18>]
      [0.7 color srgb <0.60, 0.52, 0.24>]
      [1.0 color srgb <0.36, 0.30, 0.16>]
    }
    scale 0.02
  }
  finish { ambient 0.04 diffuse 0.85 }
}
#declare Rock = texture {
  pigment {
    granite turbulence 0.3
    color_map {
      [0.0 color srgb <0.30, 0.25, 0.24>]
      [0.5 color srgb <0.58, 0.47, 0.39>]
      [1.0 color srgb <0.76, 0.66, 0.54>]
    }
    scale 0.15
  }
  normal { granite 0.7 scale 0.1 }
  finish { ambient 0.04 diffuse 0.85 }
}

// Mountains, two ranges.
#macro Range(Seed, Sharp)
  height_field {
    function 360, 160 {
      max(0, pow(f_ridged_mf(x * 4.5 + Seed, 0.3, y * 2.0, 0.95, 2.15, 6, 0.85, 1.9, 2) * 0.36, Sharp)
        * pow(sin(pi * min(max(y, 0), 1)), 0.7))
    }
    smooth
    translate <-0.5, 0, 0>
  }
#end
#declare Slopes = texture {
  pigment {
    granite turbulence 0.4
    color_map {
      [0 color srgb <0.30, 0.34, 0.42>] [0.5 color srgb <0.48, 0.46, 0.50>] [1 color srgb <0.66, 0.58, 0.56>]
    }
    scale 9
  }
  finish { ambient 0.03 diffuse 0.8 }
}
object { Range(2.3, 1.15) scale <420, 92, 110> translate <10, -3, 190> texture { Slopes } }
object {
  Range(7.7, 1.0) scale <330, 34, 70> translate <-15, -2, 110>
  texture { pigment { bozo turbulence 0.7 color_map { [0 color srgb <0.20, 0.27, 0.20>] [1 color srgb <0.44, 0.40, 0.28>] } scale 4 } finish { ambient 0.02 diffuse 0.8 } }
}

// The village's hill: x from 3 to 63, z from 20 to 80.
#declare Hill = height_field {
  function 260, 260 {
    min(1, max(0,
      (0.05 + 0.95 * pow(max(0, (1 - y) ), 1.2) * (0.35 + 0.65 * min(1, x * 1.6)))
      * min(1, x * 9) * min(1, (1 - y) * 14)
      * (0.82 + 0.36 * f_noise3d(x * 7, 0, y * 7)) ))
  }
  smooth
  translate <0, 0, 0>
  scale <60, 24, 60>
  translate <3.2, -0.35, 21>
}
object { Hill texture { Grass scale 60 } }
// Quay along the foot of the hill.
#declare Stones = texture {
  pigment {
    brick color srgb <0.36, 0.31, 0.28>, color srgb <0.64, 0.55, 0.45> brick_size <1.1, 0.5, 0.8> mortar 0.06
    warp { turbulence 0.04 }
  }
  normal { granite 0.5 scale 0.4 }
  finish { ambient 0.03 diffuse 0.8 }
}
box { <4.4, -1, 19.4>, <70, 1.05, 30> texture { Stones } }
box { <4.2, 1.05, 19.2>, <70, 1.25, 30> texture { Rock } }

// The lighthouse's island.
#declare Island = isosurface {
  function {
    sqrt(pow(x / 7.2, 2) + pow((z) / 5.0, 2) + pow(y / 2.7, 2)) - 1
    - 0.45 * (f_noise3d(x * 0.8, y * 1.5, z * 0.8) - 0.5) - 0.20 * (f_noise3d(x * 2.4, y * 3, z * 2.4) - 0.5)
  }
  contained_by { box { <-10, -0.6, -8>, <10, 4.5, 8> } }
  max_gradient 3
  accuracy 0.005
}
object { Island texture { Rock } translate <-12.5, 0, 21> }
#for (I, 1, 16)
  sphere {
    0, 1 scale <Between(0.4, 1.3), Between(0.25, 0.7), Between(0.4, 1.1)> rotate y * Between(0, 90)
    translate <-12.5 + Between(-9.5, 9), Between(-0.1, 0.1), 21 - Between(3.2, 6)> texture { Rock }
  }
#end

// ---------------------------------------------------------------- lighthouse

#declare White = texture { pigment { color srgb <0.93, 0.89, 0.82> } normal { granite 0.12 scale 0.3 } finish { ambient 0.05 diffuse 0.82 } }
#declare Red = texture { pigment { color srgb <0.70, 0.13, 0.09> } normal { granite 0.12 scale 0.3 } finish { ambient 0.04 diffuse 0.82 } }
#declare Iron = texture { pigment { color srgb <0.10, 0.11, 0.13> } finish { ambient 0.02 diffuse 0.6 specular 0.3 } }
#declare Glow = texture { pigment { color srgb <1.0, 0.83, 0.45> } finish { ambient 0 diffuse 0.2 emission 1.5 } }
#declare Dark = texture { pigment { color srgb <0.10, 0.13, 0.19> } finish { ambient 0 diffuse 0.4 specular 0.6 reflection 0.15 } }

#declare Lighthouse = union {
  #for (I, 0, 5)
    cone {
      <0, I * 1.75, 0>, 1.55 - I * 0.105, <0, (I + 1) * 1.75, 0>, 1.55 - (I + 1) * 0.105
      texture { #if (mod(I, 2)) White #else Red #end }
    }
  #end
  #for (I, 0, 3) box { <-0.2, I * 2.4 + 1.4, -1.7 + I * 0.15>, <0.2, I * 2.4 + 2.1, 0> texture { Dark } rotate y * (I * 24 - 20) } #end
  cylinder { <0, 10.5, 0>, <0, 10.75, 0>, 1.45 texture { White } }
  #for (I, 0, 11) cylinder { <1.35, 10.7, 0>, <1.35, 11.4, 0>, 0.04 texture { Iron } rotate y * I * 30 } #end
  torus { 1.35, 0.05 translate y * 11.4 texture { Iron } }
  cylinder { <0, 10.75, 0>, <0, 12.2, 0>, 0.62 texture { Glow } }
  #for (I, 0, 7) cylinder { <0.66, 10.75, 0>, <0.66, 12.2, 0>, 0.05 texture { Iron } rotate y * I * 45 } #end
  cone { <0, 12.2, 0>, 1.0, <0, 13.2, 0>, 0.08 texture { Red } }
  sphere { <0, 13.3, 0>, 0.16 texture { Iron } }
}
object { Lighthouse translate <-13.6, 2.3, 21> }

// ---------------------------------------------------------------- houses

#declare Tiles = texture {
  pigment { wood color_map { [0 color srgb <0.62, 0.27, 0.14>] [1 color srgb <0.80, 0.42, 0.22>] } turbulence 0.3 scale 0.5 }
  normal { gradient x 0.7 scale 0.22 }
  finish { ambient 0.03 diffuse 0.8 }
}
#declare Walls = array[7] {
  color srgb <0.95, 0.88, 0.74>, color srgb <0.92, 0.70, 0.42>, color srgb <0.86, 0.52, 0.40>, color srgb <0.96, 0.93, 0.88>,
  color srgb <0.72, 0.78, 0.76>, color srgb <0.90, 0.62, 0.56>, color srgb <0.84, 0.76, 0.50>
};
// Width, height to the eaves, depth; the gable looks forward or to the side.
#macro House(W, H, D, Turned)
  union {
    union {
      box { <-W/2, -3, -D/2>, <W/2, H, D/2> }
      prism { linear_sweep -D/2, D/2, 4, <-W/2, 0>, <W/2, 0>, <0, W * 0.36>, <-W/2, 0> rotate x * -90 translate y * H }
      texture { pigment { color Walls[int(rand(Dice) * 6.99)] } normal { granite 0.2 scale 0.5 } finish { ambient 0.04 diffuse 0.82 } }
    }
    union {
      box { <0, 0, -D/2 - 0.2>, <W * 0.62 + 0.16, 0.14, D/2 + 0.2> rotate z * -35.75 translate y * (H + W * 0.36) }
      box { <-W * 0.62 - 0.16, 0, -D/2 - 0.2>, <0, 0.14, D/2 + 0.2> rotate z * 35.75 translate y * (H + W * 0.36) }
      texture { Tiles }
    }
    box { <W * 0.2, H + W * 0.1, D * 0.1>, <W * 0.2 + 0.35, H + W * 0.48, D * 0.1 + 0.4> texture { Stones scale 0.3 } }
    #local Rows = int(H / 1.15);
    #for (R, 0, Rows - 1)
      #for (C, -1, 1)
        #local Lit = rand(Dice);
        box {
          <C * W * 0.29 - 0.20, R * 1.15 + 0.42, -D/2 - 0.03>, <C * W * 0.29 + 0.20, R * 1.15 + 1.0, -D/2 + 0.1>
          texture { #if (Lit < 0.33) Glow #else Dark #end }
        }
        box { <-W/2 - 0.03, R * 1.15 + 0.42, C * D * 0.29 - 0.18>, <-W/2 + 0.1, R * 1.15 + 1.0, C * D * 0.29 + 0.18> texture { Dark } }
      #end
    #end
    #if (Turned) rotate y * 90 #end
  }
#end
#macro Place(Thing, X, Z, Turn)
  #local Up = <0, 1, 0>;
  #local Ground = trace(Hill, <X, 60, Z>, -y, Up);
  object { Thing rotate y * Turn translate <X, max(Ground.y, 1.2), Z> }
#end

#for (I, 0, 9)
  Place(object { House(Between(2.3, 3.0), Between(2.4, 4.6), 2.8, (mod(I, 3) = 1)) }, 6.4 + I * 3.05, 23.4 + Between(-0.3, 0.3), Between(-5, 5))
#end
#for (Row, 0, 4)
  #for (I, 0, 8)
    #if (rand(Dice) < 0.83)
      Place(object { House(Between(2.2, 3.1), Between(1.9, 3.4), Between(2.3, 3.0), (rand(Dice) < 0.5)) },
            7.2 + Row * 1.3 + I * 3.5 + Between(-0.6, 0.6), 28.2 + Row * 4.4 + Between(-0.7, 0.7), Between(-16, 16))
    #end
  #end
#end

// The church above.
#declare Church = union {
  box { <-1.25, -3, -1.25>, <1.25, 8.4, 1.25> texture { White } }
  box { <-1.45, 8.4, -1.45>, <1.45, 8.7, 1.45> texture { Stones scale 0.4 } }
  prism { conic_sweep linear_spline 0, 1, 5, <1, 1>, <-1, 1>, <-1, -1>, <1, -1>, <1, 1> rotate x * 180 translate y scale <1.35, 4.2, 1.35> translate y * 8.7 texture { Tiles } }
  cylinder { <0, 12.8, 0>, <0, 13.9, 0>, 0.06 texture { Iron } }
  box { <-0.35, 13.4, -0.05>, <0.35, 13.5, 0.05> texture { Iron } }
  box { <-0.35, 6.3, -1.3>, <0.35, 7.7, 1.3> texture { Dark } }
  box { <-1.3, 6.3, -0.35>, <1.3, 7.7, 0.35> texture { Dark } }
  object { House(4.6, 4.2, 7.5, 0) translate <2.6, 0, 3.4> }
}
Place(Church, 18.5, 42, 8)

// ---------------------------------------------------------------- trees

#macro Crown(N, R, Tall, Green)
  blob {
    threshold 0.35
    #for (I, 1, N)
      #local A = Between(0, 2 * pi); #local B = sqrt(rand(Dice)); #local V = Between(-1, 1); #local S = sqrt(1 - V * V);
      sphere { <cos(A) * B * S * R, V * Tall, sin(A) * B * S * R>, R * Between(0.36, 0.62), 1 }
    #end
    pigment { bozo color_map { [0 color Green * 0.55] [1 color Green * 1.35] } scale 0.22 }
    normal { bumps 1.2 scale 0.10 }
    finish { ambient 0.02 diffuse 0.85 }
  }
#end
#declare Cypress = object { Crown(34, 0.62, 2.9, srgb <0.13, 0.24, 0.12>) translate y * 2.8 }
#declare Pine = union {
  cone { <0, -1, 0>, 0.22, <0, 2.4, 0>, 0.12 pigment { color srgb <0.30, 0.19, 0.12> } }
  object { Crown(46, 1.7, 0.75, srgb <0.21, 0.33, 0.13>) translate y * 2.8 }
}
#for (I, 1, 44)
  #local X = Between(6, 46); #local Z = Between(26.5, 58);
  #if (rand(Dice) < 0.5)
    Place(object { Cypress scale Between(0.7, 1.1) }, X, Z, 0)
  #else
    Place(object { Pine scale Between(0.7, 1.25) }, X, Z, Between(0, 360))
  #end
#end
object { Pine scale 0.75 translate <-9.6, 1.7, 21.4> }
object { Pine scale 0.6 translate <-17.2, 1.2, 20.4> }

// ---------------------------------------------------------------- boats

#macro Hull(Paint, Trim)
  union {
    intersection {
      sphere { 0, 1 scale <2.6, 1.35, 0.85> }
      box { <-3, -2, -2>, <3, 0.02, 2> }
      sphere { <0, 0, 0>, 1 scale <2.6, 1.35, 0.85> }
      texture { pigment { gradient y color_map { [0.0 color Trim] [0.35 color Trim] [0.35 color Paint] [1 color Paint] } scale 1.4 translate y * -1.3 } finish { ambient 0.03 diffuse 0.8 specular 0.3 } }
    }
    cylinder { <0, 0, 0>, <0, 0.09, 0>, 1 scale <2.64, 1, 0.89> texture { pigment { color srgb <0.45, 0.26, 0.12> } } }
    translate y * 0.74
  }
#end
#macro Sail(A, B, C, Tint)
  mesh {
    triangle { A, B, C }
    texture { pigment { color Tint } normal { gradient y 0.35 scale 0.9 } finish { ambient 0.08 diffuse 0.8 emission 0.08 } }
  }
#end
#macro Sailboat(Paint, Trim, Tint)
  union {
    object { Hull(Paint, Trim) }
    box { <-0.9, 0.6, -0.42>, <0.7, 1.05, 0.42> texture { White } }
    box { <-0.6, 0.72, -0.44>, <0.45, 0.93, 0.44> texture { Dark } }
    cylinder { <0.35, 0.6, 0>, <0.35, 7.4, 0>, 0.06 texture { pigment { color srgb <0.50, 0.32, 0.17> } } }
    cylinder { <0.35, 1.35, 0>, <-2.3, 1.30, 0.35>, 0.05 texture { pigment { color srgb <0.50, 0.32, 0.17> } } }
    object { Sail(<0.30, 7.2, 0>, <0.30, 1.45, 0>, <-2.25, 1.40, 0.35>, Tint) }
    object { Sail(<0.42, 6.5, 0>, <0.5, 1.30, 0.25>, <2.5, 0.9, 0>, Tint * 0.96) }
    cylinder { <0.35, 7.3, 0>, <2.6, 0.75, 0>, 0.02 texture { Iron } }
    cylinder { <0.35, 7.3, 0>, <-2.6, 0.75, 0>, 0.02 texture { Iron } }
  }
#end
#declare Rowboat = union {
  difference {
    sphere { 0, 1 scale <1.7, 0.8, 0.62> }
    sphere { 0, 1 scale <1.6, 0.72, 0.54> translate y * 0.05 }
    box { <-2, 0.12, -2>, <2, 2, 2> }
    texture { pigment { gradient y color_map { [0.55 color srgb <0.16, 0.42, 0.46>] [0.55 color srgb <0.92, 0.86, 0.74>] } scale 1 translate y * -0.5 } finish { ambient 0.03 diffuse 0.8 } }
  }
  box { <-0.75, -0.06, -0.5>, <-0.45, 0.0, 0.5> }
  box { <0.35, -0.06, -0.52>, <0.65, 0.0, 0.52> }
  texture { pigment { color srgb <0.55, 0.35, 0.18> } }
  translate y * 0.30
}

object { Sailboat(srgb <0.24, 0.50, 0.66>, srgb <0.75, 0.16, 0.10>, srgb <0.97, 0.92, 0.82>) rotate y * 26 translate <-3.4, 0, 4.2> }
object { Sailboat(srgb <0.90, 0.88, 0.82>, srgb <0.10, 0.28, 0.36>, srgb <0.86, 0.36, 0.18>) rotate y * 158 translate <4.4, 0, 15.5> }
object { Sailboat(srgb <0.62, 0.14, 0.10>, srgb <0.16, 0.18, 0.22>, srgb <0.95, 0.88, 0.74>) scale 0.9 rotate y * 12 translate <-3.2, 0, 44> }
object { Sailboat(srgb <0.90, 0.88, 0.82>, srgb <0.16, 0.18, 0.22>, srgb <0.98, 0.94, 0.86>) scale 0.8 rotate y * 200 translate <-24, 0, 62> }
object { Rowboat rotate y * 28 translate <1.4, 0, -4.2> }
object { Rowboat rotate y * -40 translate <11.8, 0, 16.2> }
object { Rowboat rotate y * 8 translate <16.3, 0, 17.6> }

// ---------------------------------------------------------------- pier

#declare Plank = texture {
  pigment { wood turbulence 0.15 color_map { [0 color srgb <0.42, 0.29, 0.19>] [0.6 color srgb <0.58, 0.43, 0.30>] [1 color srgb <0.36, 0.25, 0.17>] } scale 0.08 rotate y * 90 }
  finish { ambient 0.03 diffuse 0.85 }
}
union {
  #for (I, 0, 40)
    box { <0, 1.0 + Between(-0.02, 0.02), I * 0.46>, <2.5 + Between(-0.1, 0.1), 1.12, I * 0.46 + 0.40> texture { Plank translate <I * 3, I * 7, 0> } }
  #end
  #for (I, 0, 5)
    cylinder { <-0.05, -3, I * 3.4 + 0.3>, <-0.05, 2.0, I * 3.4 + 0.3>, 0.19 texture { Plank rotate x * 90 } }
    cylinder { <2.55, -3, I * 3.4 + 0.3>, <2.55, 2.0, I * 3.4 + 0.3>, 0.19 texture { Plank rotate x * 90 } }
  #end
  box { <0.1, 0.75, 0>, <0.3, 1.0, 19> texture { Plank } }
  box { <2.2, 0.75, 0>, <2.4, 1.0, 19> texture { Plank } }
  rotate y * 4
  translate <4.4, 0, -14>
}

// ---------------------------------------------------------------- gulls

#macro Gull(P, S)
  union {
    torus { 1, 0.07 rotate x * 90 clipped_by { box { <-2, 0.55, -1>, <2, 2, 1> } } translate <-0.8, -0.6, 0> }
    torus { 1, 0.07 rotate x * 90 clipped_by { box { <-2, 0.55, -1>, <2, 2, 1> } } translate <0.8, -0.6, 0> }
    pigment { color srgb <0.95, 0.93, 0.90> } finish { ambient 0.2 diffuse 0.6 }
    scale S translate P
  }
#end
Gull(<-5.2, 12.2, 16>, 0.38)
Gull(<-3.6, 13.4, 20>, 0.36)
Gull(<-7.9, 11.0, 18>, 0.30)
Gull(<1.6, 11.8, 22>, 0.36)
