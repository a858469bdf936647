#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw with OpenGL 3.3 where there is no display, and compare each pixel.

A texture, a uniform, two shaders, a depth buffer, a part that is scissored, and what
comes back: exits with 0 when all is as it must be. Calls Mesa by its C functions.
"""

import ctypes
import sys

EGL = ctypes.CDLL("libEGL.so.1")
GL = ctypes.CDLL("libOpenGL.so.0")

WIDTH, HEIGHT = 97, 61
TEXTURE = 8

# Numbers of EGL 1.5 and OpenGL 3.3.
EGL_PLATFORM_SURFACELESS = 0x31DD
EGL_OPENGL_API = 0x30A2
EGL_NONE = 0x3038
EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT = 0x3040, 8
EGL_SURFACE_TYPE, EGL_PBUFFER_BIT = 0x3033, 1
CONTEXT_MAJOR, CONTEXT_MINOR, CONTEXT_PROFILE, CORE = 0x3098, 0x30FB, 0x30FD, 1
RENDERER = 0x1F01
VERTEX_SHADER, FRAGMENT_SHADER, COMPILE_STATUS, LINK_STATUS = 0x8B31, 0x8B30, 0x8B81, 0x8B82
TEXTURE_2D, RGBA8, RGBA, UNSIGNED_BYTE, NEAREST, MIN_FILTER, MAG_FILTER = \
    0x0DE1, 0x8058, 0x1908, 0x1401, 0x2600, 0x2801, 0x2800
FRAMEBUFFER, COLOR_ATTACHMENT0, DEPTH_ATTACHMENT, COMPLETE = 0x8D40, 0x8CE0, 0x8D00, 0x8CD5
RENDERBUFFER, DEPTH_COMPONENT24 = 0x8D41, 0x81A6
DEPTH_TEST, SCISSOR_TEST, COLOR_BUFFER, DEPTH_BUFFER = 0x0B71, 0x0C11, 0x4000, 0x100
TRIANGLES = 4

VERTEX = """#version 330 core
uniform vec4 place; // left, bottom, right, top
uniform float depth;
void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1 & 1);
    gl_Position = vec4(mix(place.xy, place.zw, corner), depth, 1.0);
}
"""
FRAGMENT = """#version 330 core
uniform sampler2D texels;
uniform vec4 tint;
out vec4 colour;
void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 texel = texelFetch(texels, at % 8, 0);
    colour = tint.a > 0.5 ? tint : vec4(vec2(at) / 255.0, texel.b, 1.0);
}
"""


def expect(condition, message):
    if not condition:
        sys.exit(f"mesa_program: {message}")


def make_context():
    EGL.eglGetPlatformDisplay.restype = ctypes.c_void_p
    EGL.eglCreateContext.restype = ctypes.c_void_p
    display = ctypes.c_void_p(EGL.eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS, None, None))
    expect(EGL.eglInitialize(display, None, None), "EGL has nothing to draw with")
    EGL.eglBindAPI(EGL_OPENGL_API)
    wanted = (ctypes.c_int * 5)(EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_NONE)
    config, count = ctypes.c_void_p(), ctypes.c_int()
    expect(EGL.eglChooseConfig(display, wanted, ctypes.byref(config), 1, ctypes.byref(count)) and count.value,
           "EGL has no configuration")
    version = (ctypes.c_int * 7)(CONTEXT_MAJOR, 3, CONTEXT_MINOR, 3, CONTEXT_PROFILE, CORE, EGL_NONE)
    context = ctypes.c_void_p(EGL.eglCreateContext(display, config, None, version))
    expect(context, f"there is no OpenGL 3.3 (EGL error {EGL.eglGetError():#x})")
    expect(EGL.eglMakeCurrent(display, None, None, context), "the context is of no use")
    GL.glGetString.restype = ctypes.c_char_p
    return display, context


def name_of(generate):
    name = ctypes.c_uint()
    generate(1, ctypes.byref(name))
    return name.value


def make_shader(kind, text):
    shader = GL.glCreateShader(kind)
    source = ctypes.c_char_p(text.encode())
    GL.glShaderSource(shader, 1, ctypes.byref(source), None)
    GL.glCompileShader(shader)
    good = ctypes.c_int()
    GL.glGetShaderiv(shader, COMPILE_STATUS, ctypes.byref(good))
    expect(good.value, "a shader does not compile")
    return shader


def make_program():
    program = GL.glCreateProgram()
    for kind, text in ((VERTEX_SHADER, VERTEX), (FRAGMENT_SHADER, FRAGMENT)):
        GL.glAttachShader(program, make_shader(kind, text))
    GL.glLinkProgram(program)
    good = ctypes.c_int()
    GL.glGetProgramiv(program, LINK_STATUS, ctypes.byref(good))
    expect(good.value, "the shaders do not fit")
    GL.glUseProgram(program)
    return program


def blue(x, y):
    return (x * 31 + y * 7) & 0xff


def make_texture():
    GL.glBindTexture(TEXTURE_2D, name_of(GL.glGenTextures))
    texels = bytes(value for y in range(TEXTURE) for x in range(TEXTURE) for value in (9, 9, blue(x, y), 9))
    GL.glTexImage2D(TEXTURE_2D, 0, RGBA8, TEXTURE, TEXTURE, 0, RGBA, UNSIGNED_BYTE, texels)
    GL.glTexParameteri(TEXTURE_2D, MIN_FILTER, NEAREST)
    GL.glTexParameteri(TEXTURE_2D, MAG_FILTER, NEAREST)


def make_target():
    buffers = []
    for layout in (RGBA8, DEPTH_COMPONENT24):
        buffers.append(name_of(GL.glGenRenderbuffers))
        GL.glBindRenderbuffer(RENDERBUFFER, buffers[-1])
        GL.glRenderbufferStorage(RENDERBUFFER, layout, WIDTH, HEIGHT)
    GL.glBindFramebuffer(FRAMEBUFFER, name_of(GL.glGenFramebuffers))
    for attachment, buffer in zip((COLOR_ATTACHMENT0, DEPTH_ATTACHMENT), buffers):
        GL.glFramebufferRenderbuffer(FRAMEBUFFER, attachment, RENDERBUFFER, buffer)
    expect(GL.glCheckFramebufferStatus(FRAMEBUFFER) == COMPLETE, "the framebuffer is not complete")
    GL.glViewport(0, 0, WIDTH, HEIGHT)


def draw(program, place, depth, tint=(0, 0, 0, 0)):
    def floats(*values):
        return (ctypes.c_float(value) for value in values)
    GL.glUniform4f(GL.glGetUniformLocation(program, b"place"), *floats(*place))
    GL.glUniform1f(GL.glGetUniformLocation(program, b"depth"), *floats(depth))
    GL.glUniform4f(GL.glGetUniformLocation(program, b"tint"), *floats(*tint))
    for first in (0, 1):
        GL.glDrawArrays(TRIANGLES, first, 3)


def expected(x, y):
    if 10 <= x < 20 and 30 <= y < 50:
        return 0, 255, 0, 255  # cleared, in a scissor
    if x < 48 and y < 30:
        return 255, 0, 0, 255  # nearer
    return x, y, blue(x % TEXTURE, y % TEXTURE), 255


def main():
    kept = make_context()
    renderer = GL.glGetString(RENDERER).decode()
    print(f"mesa_program: {renderer}")
    expect("virgl" in renderer.lower(), "another driver draws")
    make_texture()
    make_target()
    GL.glBindVertexArray(name_of(GL.glGenVertexArrays))
    program = make_program()
    GL.glClearColor(*(ctypes.c_float(value) for value in (0, 1, 0, 1)))
    GL.glEnable(DEPTH_TEST)
    GL.glClear(COLOR_BUFFER | DEPTH_BUFFER)
    everything = (-1, -1, 1, 1)
    draw(program, (-1, -1, -1 + 2 * 48 / WIDTH, -1 + 2 * 30 / HEIGHT), -0.5, (1, 0, 0, 1))
    draw(program, everything, 0.0)
    draw(program, everything, 0.5, (0, 0, 1, 1))  # behind it all
    GL.glEnable(SCISSOR_TEST)
    GL.glScissor(10, 30, 10, 20)
    GL.glClear(COLOR_BUFFER)
    pixels = ctypes.create_string_buffer(4 * WIDTH * HEIGHT)
    GL.glPixelStorei(0x0D05, 1)  # GL_PACK_ALIGNMENT
    GL.glReadPixels(0, 0, WIDTH, HEIGHT, RGBA, UNSIGNED_BYTE, pixels)
    expect(GL.glGetError() == 0, "OpenGL reports an error")
    seen = pixels.raw
    for y in range(HEIGHT):
        for x in range(WIDTH):
            at = 4 * (y * WIDTH + x)
            got = tuple(seen[at:at + 4])
            expect(got == expected(x, y), f"pixel {x}, {y} is {got} in place of {expected(x, y)}")
    del kept


if __name__ == "__main__":
    main()
