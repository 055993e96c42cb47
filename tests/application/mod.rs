//! What an application sees, one file per behaviour; mounted once per adapter.

mod support;

mod info;
