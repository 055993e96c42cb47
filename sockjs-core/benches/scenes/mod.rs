//! What is measured, in seconds by criterion and in instructions by callgrind.

mod pure;
mod sessions;

/// Something to do again and again.
pub(crate) type Run = Box<dyn FnMut()>;

/// One thing that is measured.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Messages, sessions and the like in one run.
    pub(crate) units: u64,
    /// Whether one run uses up what was prepared.
    pub(crate) is_spent: bool,
    pub(crate) prepare: Box<dyn Fn() -> Run>,
}

impl Scene {
    fn new<R: FnMut() + 'static>(name: &'static str, prepare: impl Fn() -> R + 'static) -> Self {
        let prepare = Box::new(move || -> Run { Box::new(prepare()) });
        Self { name, units: 1, is_spent: false, prepare }
    }

    fn of(self, units: u64) -> Self {
        Self { units, ..self }
    }

    fn spent(self) -> Self {
        Self { is_spent: true, ..self }
    }
}

/// All scenes, of which the largest have so many sessions.
pub(crate) fn all(many: usize) -> Vec<Scene> {
    let mut scenes = pure::all();
    scenes.extend(sessions::all(many));
    scenes
}
